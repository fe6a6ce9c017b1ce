// Leaderboard: cards of the models joined with what was measured of the very files that are served.
import { idOf, json, models } from "../shell/api.js";
import { $, choices, h, trouble } from "../shell/dom.js";
import { ms, percent, whole } from "../shell/format.js";
import { modelColour } from "../shell/plot.js";
import { pareto } from "./pareto.js";
import { table } from "./table.js";

export async function start() {
  const [found, board] = await Promise.all([models(true), json("/leaderboard")]);
  if (board.problem) $("board-problem").replaceChildren(h("p", { class: "notice" }, `No speed to show: ${board.problem}.`));
  choices($("machine"), board.boards.map((each, place) => [String(place), each.machine]));
  $("machine-field").hidden = board.boards.length < 2;
  const all = found.models.map((model, place) => entry(model, place));
  const worlds = new Map(all.map((each) => [each.world, each.data]));
  choices($("data"), [...worlds].filter(([world]) => world));
  $("data").value = all.find((each) => each.id === found.default)?.world ?? $("data").value;
  $("data-field").hidden = $("data").options.length < 2;
  let entries = [];
  const update = table(() => entries);
  let picture = null;

  async function measure() {
    entries = all.filter((each) => !each.world || each.world === $("data").value);
    const chosen = board.boards[Number($("machine").value)];
    for (const each of entries) each.row = chosen ? rowOf(each, chosen.rows) : null;
    const shown = entries.filter((each) => each.row?.p99_ms && each.accuracy !== undefined);
    const objectives = new Set(shown.map((each) => each.row.objective).filter(Boolean));
    $("board").hidden = !shown.length && $("data-field").hidden;
    $("board").classList.toggle("unmeasured", !shown.length);
    $("measured").textContent = chosen ? [
      `Speed: ${chosen.machine}, ${chosen.measured}, commit ${chosen.commit ?? "unknown"}.`,
      chosen.load ? `Latency under ${chosen.load}.` : "", objectives.size ? `Capacity is the rate up to which ${[...objectives].join(", or ")} holds.` : "",
      "Accuracy: the whole test split through the runtime that serves, 95 % Wilson intervals.",
    ].join(" ") : "";
    picture = null;
    if (shown.length) {
      bounds(shown);
      const [low, high] = scales.floor, decision = chosen.decisions.find((each) => !each.dataset || each.dataset === shown[0].data);
      if (decision) $("floor").value = String(Math.round(100 * (Math.max(low, decision.min_accuracy) - low) / (high - low)));
      picture = await pareto($("pareto"), shown);
    }
    wish();
  }

  function wish() {
    const asked = { limit: slider("limit"), floor: slider("floor") };
    const shown = entries.filter((each) => each.row?.p99_ms && each.accuracy !== undefined);
    const fits = shown.filter((each) => each.row.p99_ms.value <= asked.limit + 1e-9 && each.accuracy >= asked.floor - 1e-9);
    const best = recommended(fits);
    for (const each of entries) {
      each.fits = fits.includes(each);
      each.best = each === best;
      each.front = each.fits && !fits.some((other) => beats(other, each));
    }
    $("limit-told").textContent = ms(asked.limit);
    $("floor-told").textContent = percent(asked.floor, 1);
    $("limit").setAttribute("aria-valuetext", ms(asked.limit));
    $("floor").setAttribute("aria-valuetext", percent(asked.floor, 1));
    $("advice").replaceChildren(...advice(fits, best, shown.length));
    picture?.show(asked);
    update();
  }

  for (const id of ["limit", "floor"]) $(id).addEventListener("input", wish);
  for (const id of ["machine", "data"]) $(id).addEventListener("change", () => measure().catch(failed));
  await measure();
}

const failed = (error) => $("board-problem").replaceChildren(trouble(error));

function entry(model, place) {
  const score = model.card?.score;
  return {
    model, id: idOf(model), colour: modelColour(place), accuracy: score?.accuracy, low: score?.low, high: score?.high,
    world: model.card ? String(model.card.classes) : null, data: score?.dataset ?? (model.card?.classes ?? []).slice(0, 4).join(", "),
    size: model.size_bytes, parameters: model.card?.parameters, row: null, fits: false, best: false, front: false,
  };
}

/** The measurement of the file that is served here; else one of the same name and version, marked as of another file. */
function rowOf(each, rows) {
  const hashes = (each.model.card?.files ?? []).map((file) => file.sha256);
  const mine = rows.filter((row) => row.model === each.id);
  const usual = (row) => row.threads === 1 && row.workers === 1;
  const exact = mine.filter((row) => hashes.includes(row.sha256));
  const row = exact.find(usual) ?? exact[0] ?? mine.find(usual) ?? mine[0];
  return row ? { ...row, stale: !hashes.includes(row.sha256) } : null;
}

let scales = null;

/** The sliders span what there is. */
function bounds(shown) {
  const slowest = Math.max(...shown.map((each) => each.row.p99_ms.value)), quickest = Math.min(...shown.map((each) => each.row.p99_ms.value));
  const most = Math.max(...shown.map((each) => each.accuracy)), least = Math.min(...shown.map((each) => each.accuracy));
  const low = Math.floor(100 * (least - .1 * (most - least) - 1e-6)) / 100;
  scales = { limit: [.7 * quickest, 1.15 * slowest], floor: [low, Math.min(1, most + .25 * (most - low))] };
}

function slider(id) {
  if (!scales) return id === "limit" ? Infinity : 0;
  const [low, high] = scales[id], share = Number($(id).value) / 100;
  return id === "limit" ? low * (high / low) ** share : low + share * (high - low);  // times are told apart by ratios
}

/** Accuracy, p99 and capacity, so that more is better. */
const figures = (each) => [each.accuracy, -each.row.p99_ms.value, each.row.capacity?.[0] ?? 0];

function beats(one, other) {
  const [a, b] = [figures(one), figures(other)];
  return one !== other && a.every((value, place) => value >= b[place]) && a.some((value, place) => value > b[place]);
}

/** Of what fits, the one that bears most; of those whose brackets overlap with its, the most accurate. */
function recommended(fits) {
  const bearing = fits.filter((each) => each.row.capacity);
  const pool = bearing.length ? bearing : fits;
  const rate = (each) => each.row.capacity ?? each.row.throughput?.interval ?? [0, 0];
  const top = pool.reduce((best, each) => (!best || rate(each)[0] > rate(best)[0] ? each : best), null);
  return pool.filter((each) => rate(each)[1] >= rate(top)[0]).reduce((best, each) => (!best || each.accuracy > best.accuracy ? each : best), null);
}

const bears = (each) => each.row.capacity?.[0] ?? 0;

/** What surely is more accurate than `best`, one above the other, each with the most capacity. */
function steps(fits, best) {
  const kept = [best];
  for (const each of [...fits].sort((one, other) => bears(other) - bears(one))) if (each.low > kept.at(-1).high) kept.push(each);
  return kept.slice(1);
}

function advice(fits, best, count) {
  if (!count) return [h("p", {}, "No model of this data set was measured under load yet.")];
  if (!best) return [h("p", { class: "none" }, "Nothing measured is that accurate and that quick."), h("p", {}, "Move a slider.")];
  const told = [
    h("span", { class: "soft" }, fits.length === 1 ? `Of ${count} measured, only this one fits:` : `${fits.length} of ${count} fit. Deploy`),
    h("strong", { class: "winner" }, best.id),
    h("p", {}, `${percent(best.accuracy)} accurate, p99 ${ms(best.row.p99_ms.value)}`,
      best.row.capacity ? `, bears ${whole(best.row.capacity[0])} requests/s.` : "."),
  ];
  for (const each of steps(fits, best)) {
    const points = (100 * (each.accuracy - best.accuracy)).toFixed(2);
    const ratio = bears(best) ? ` for ${(100 * bears(each) / bears(best)).toFixed(0)} % of the capacity` : "";
    told.push(h("p", { class: "soft" }, `${each.id} is ${points} points more accurate${ratio}.`));
  }
  return told;
}
