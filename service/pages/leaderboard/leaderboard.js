// Leaderboard: cards of the models joined with what was measured of the very files that are served.
import { idOf, json, lineup, models } from "../shell/api.js";
import { $, choices, h, marked, trouble } from "../shell/dom.js";
import { count, ms, percent, whole } from "../shell/format.js";
import { modelColour } from "../shell/plot.js";
import { pareto } from "./pareto.js";
import { table } from "./table.js";

export async function start() {
  const [found, board] = await Promise.all([models(true), json("/leaderboard")]);
  if (board.problem) $("board-problem").replaceChildren(h("p", { class: "notice" }, "No speed to show: ", ...marked(board.problem), "."));
  choices($("machine"), board.boards.map((each, place) => [String(place), each.machine]));
  $("machine-field").hidden = board.boards.length < 2;
  let all = [], entries = [], nothing = "", known = "";

  function take(now) {
    const first = known === "";
    known = lineup(now);
    all = now.models.map((model, place) => entry(model, place));
    const worlds = new Map(all.map((each) => [each.world, each.data]));
    choices($("data"), [...worlds].filter(([world]) => world));
    if (first) $("data").value = all.find((each) => each.id === now.default)?.world ?? $("data").value;
    $("data-field").hidden = $("data").options.length < 2;
  }

  /** Models that came, went or became ready meanwhile; where none did, the sliders stay where they are. */
  async function again() {
    const now = await models(true);
    if (lineup(now) === known) return;
    take(now);
    findMachine();
    await measure();
  }

  const update = table(() => entries);
  let picture = null;

  const boardOf = () => board.boards[Number($("machine").value)];
  const ofData = () => all.filter((each) => !each.world || each.world === $("data").value);
  const isMeasured = (each) => each.row?.p99_ms && each.accuracy !== undefined;
  const measuredOn = (one) => ofData().some((each) => isMeasured({ ...each, row: rowOf(each, one.rows) }));

  /** Where the machine has nothing of the data set, one that has is shown; whoever chooses a machine gets that one. */
  function findMachine() {
    const place = board.boards.findIndex(measuredOn);
    if (place >= 0 && !measuredOn(boardOf())) $("machine").value = String(place);
  }

  async function measure() {
    entries = ofData();
    const chosen = boardOf();
    $("machine-told").textContent = chosen?.machine ?? "";  // a select may have no room for all of it
    for (const each of entries) each.row = chosen ? rowOf(each, chosen.rows) : null;
    const ways = new Set(entries.filter((each) => each.row).map((each) => wayOf(each.row)));
    for (const each of entries) each.way = each.row && ways.size > 1 ? wayOf(each.row) : null;
    const shown = entries.filter(isMeasured);
    $("board").hidden = !board.boards.some(measuredOn) && $("data-field").hidden;
    $("board").classList.toggle("unmeasured", !shown.length);
    $("measured").textContent = chosen ? caption(chosen, shown, ways) : "";
    picture = null;
    if (shown.length) {
      bounds(shown);
      const [low, high] = scales.floor, decision = chosen.decisions.find((each) => !each.dataset || each.dataset === shown[0].data);
      if (decision) $("floor").value = String(100 * (Math.max(low, decision.min_accuracy) - low) / (high - low));
      picture = await pareto($("pareto"), shown);
    }
    const others = board.boards.filter((one) => one !== chosen && measuredOn(one)).map((one) => one.machine);
    nothing = shown.length ? "" : `No model of this data set was measured under load ${others.length ? `on this machine, but on ${others.join(" and ")}` : "yet"}.`;
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
    $("advice").replaceChildren(...advice(fits, best, shown.length, nothing));
    picture?.show(asked);
    update();
  }

  for (const id of ["limit", "floor"]) $(id).addEventListener("input", wish);
  $("machine").addEventListener("change", () => measure().catch(failed));
  $("data").addEventListener("change", () => { findMachine(); measure().catch(failed); });
  take(found);
  findMachine();
  await measure();
  return { show: () => again().catch(failed) };
}

const failed = (error) => $("board-problem").replaceChildren(trouble(error));

function entry(model, place) {
  const score = model.card?.score;
  return {
    model, id: idOf(model), colour: modelColour(place), accuracy: score?.accuracy, low: score?.low, high: score?.high,
    world: model.card ? String(model.card.classes) : null, data: score?.dataset ?? (model.card?.classes ?? []).slice(0, 4).join(", "),
    size: model.size_bytes, parameters: model.card?.parameters, row: null, way: null, fits: false, best: false, front: false,
  };
}

/** How the server ran when a row was measured. */
const wayOf = (row) => `${row.runtime}${row.device === "cpu" ? "" : ` on ${row.device}`}, ${count(row.threads, "thread")}, ${count(row.workers, "worker")}${row.batching ? `, ${row.batching}` : ""}`;

function caption(board, shown, ways) {
  const objectives = new Set(shown.map((each) => each.row.objective).filter(Boolean));
  return [
    `Speed: ${[board.machine, board.cores, ways.size === 1 ? [...ways][0] : null].filter(Boolean).join(", ")}; ${board.measured}, commit ${board.commit ?? "unknown"}.`,
    board.load ? `Latency under ${board.load}.` : "", objectives.size ? `Capacity is the rate up to which ${[...objectives].join(", or ")} holds.` : "",
    "Accuracy: the whole test split through the runtime that serves, 95 % Wilson intervals.",
  ].join(" ");
}

/**
 * The measurement of the file that is served here, on the runtime that serves it; else one of the same name and
 * version, marked as of another file, where that has a figure to show.
 */
function rowOf(each, rows) {
  const hashes = (each.model.card?.files ?? []).map((file) => file.sha256);
  const open = each.model.runtimes.filter((runtime) => runtime.open).map((runtime) => runtime.name);
  const wants = [
    (row) => hashes.includes(row.sha256), (row) => open.includes(row.runtime), (row) => row.threads === 1 && row.workers === 1 && !row.batching,
  ];
  const merit = (row) => wants.reduce((sum, want) => 2 * sum + Number(want(row)), 0);
  const row = rows.filter((one) => one.model === each.id).sort((one, other) => merit(other) - merit(one))[0];
  if (!row) return null;
  const stale = !hashes.includes(row.sha256);
  return stale && !row.p99_ms && !row.capacity && !row.throughput ? null : { ...row, stale };
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

/** Of what fits, the most accurate, as `weigh` decides too: what fits costs the same. Of those whose intervals overlap with
    its, the one that bears most. */
function recommended(fits) {
  const bearing = fits.filter((each) => each.row.capacity);
  const pool = bearing.length ? bearing : fits;
  const rate = (each) => each.row.capacity?.[0] ?? each.row.throughput?.interval[0] ?? 0;
  const top = pool.reduce((best, each) => (!best || each.accuracy > best.accuracy ? each : best), null);
  return pool.filter((each) => each.high >= top.low).reduce((best, each) => (!best || rate(each) > rate(best) ? each : best), null);
}

const bears = (each) => each.row.capacity?.[0] ?? 0;

/** What surely is less accurate than `best` and bears more, one below the other, each the most accurate that is left. */
function steps(fits, best) {
  const kept = [best];
  for (const each of [...fits].sort((one, other) => other.accuracy - one.accuracy))
    if (each.high < kept.at(-1).low && bears(each) > bears(kept.at(-1))) kept.push(each);
  return kept.slice(1);
}

function advice(fits, best, measured, nothing) {
  if (!measured) return [h("p", {}, nothing)];
  if (!best) return [h("p", { class: "none" }, "Nothing measured is that accurate and that quick."), h("p", {}, "Move a slider.")];
  const told = [
    h("span", { class: "soft" }, fits.length === 1 ? `Of ${measured} measured, only this one fits:` : `${fits.length} of ${measured} fit. Deploy`),
    h("strong", { class: "winner" }, best.id),
    h("p", {}, `${percent(best.accuracy)} accurate, p99 ${ms(best.row.p99_ms.value)}${best.row.rate ? ` at ${whole(best.row.rate)}/s` : ""}`,
      best.row.capacity ? `, bears ${whole(best.row.capacity[0])} requests/s.` : "."),
  ];
  for (const each of steps(fits, best)) {
    const points = (100 * (best.accuracy - each.accuracy)).toFixed(2);
    const ratio = bears(best) ? ` for ${(bears(each) / bears(best)).toFixed(1)} times the capacity` : "";
    told.push(h("p", { class: "soft" }, `${each.id} is ${points} points less accurate${ratio}.`));
  }
  return told;
}
