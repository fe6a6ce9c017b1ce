// Live: GET /live once a second while this part is looked at; what is shown is the difference of two answers.
import { json } from "../shell/api.js";
import { $, h, trouble } from "../shell/dom.js";
import { bytes, ms, short, whole } from "../shell/format.js";
import { colour, plot } from "../shell/plot.js";
import { current } from "../shell/key.js";
import { load } from "./load.js";
import { between, percentile, total } from "./span.js";

const EVERY_MS = 1000, KEPT = 121, RECENT_S = 10, LEAST_S = 30;
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const SERIES = {
  rate: [["answered", "m0"], ["refused", "m1"]],
  time: [["p50", "m0"], ["p99", "m1"]],
  wait: [["waiting", "m1"], ["in flight", "m0"]],
  batch: [["mean", "m2"]],
};
const seen = [];      // answers of /live, the newest last
const points = [];    // [at, {rate, time, wait, batch}]
const charts = {};
let timer = null;

export async function start() {
  const first = await json("/live");
  const offer = await load(first.load_offered);
  if (current() !== null) $("metrics-link").replaceWith(h("code", {}, "/metrics"));  // a link could not send the key
  for (const [name, lines] of Object.entries(SERIES)) charts[name] = await chart($(`chart-${name}`), lines, name === "wait");
  return { show: () => { offer(); timer ??= setTimeout(look, 0); }, hide: () => { clearTimeout(timer); timer = null; } };
}

function chart(box, lines, whole) {
  const options = () => ({
    scales: { x: { range: () => { const last = points.at(-1)?.[0] ?? Date.now() / 1000; const span = Math.min(KEPT - 1, Math.max(LEAST_S, last - (points[0]?.[0] ?? last))); return [last - span, last]; } },
              y: { range: (_, low, high) => [0, Math.max(1, 1.15 * (high ?? 0))] } },
    series: [{}, ...lines.map(([, ink]) => ({ stroke: colour(ink), width: 2, points: { show: false }, spanGaps: true }))],
    axes: [
      { side: 2, values: (_, ticks) => ticks.map((tick) => new Date(1000 * tick).toLocaleTimeString("en-GB").slice(0, 8)), space: 90 },
      { side: 3, values: (_, ticks) => ticks.map(short), ...(whole ? { incrs: WHOLE } : {}) },
    ],
  });
  return plot(box, options, [[], ...lines.map(() => [])], 190);
}

async function look() {
  try {
    const now = await json("/live");
    $("live-problem").replaceChildren();
    seen.push(now);
    if (seen.length > KEPT) seen.shift();
    if (seen.length > 1) show(now);
  } catch (error) {
    const asked = Boolean(error.again);  // somebody closed the dialog, who should not get it again each second
    $("live-problem").replaceChildren(trouble(error, asked ? () => { timer = setTimeout(look, 0); } : null));
    if (asked) timer = null;
  }
  if (timer !== null) timer = setTimeout(look, EVERY_MS);
}

function show(now) {
  const span = between(seen.at(-2), now);
  if (!span) {  // the server started anew meanwhile: nothing before that counts
    seen.splice(0, seen.length - 1);
    return;
  }
  const waiting = total(now.models.map((model) => model.waiting));
  points.push([now.at, {
    rate: [span.answered / span.seconds, span.refused / span.seconds],
    time: [50, 99].map((share) => percentile(span.time, now.second_bounds, share)).map((value) => (value === null ? null : 1000 * value)),
    wait: [waiting, Math.max(0, now.in_flight - 1)],  // this very question is one of them
    batch: [span.calls ? span.batched / span.calls : null],
  }]);
  if (points.length > KEPT) points.shift();
  const latest = points.at(-1)[1];
  for (const [name, lines] of Object.entries(SERIES)) {
    charts[name].update([points.map(([at]) => at), ...lines.map((_, place) => points.map(([, values]) => values[name][place]))]);
    $(`${name}-told`).replaceChildren(...lines.map(([words, ink], place) => {
      const value = latest[name][place];
      return h("span", { class: "key", vars: { "--colour": `var(--${ink})` } }, `${words} ${value === null ? "–" : short(value)}`);
    }));
  }
  const recent = between(seen.at(-1 - Math.min(RECENT_S, seen.length - 1)), now) ?? span;
  figures(now, recent);
  $("live-models").replaceChildren(...(recent.models.length ? recent.models.map((model) => row(model, now, recent.seconds))
    : [h("tr", {}, h("td", { colspan: 9, class: "soft" }, "No model was asked yet."))]));
}

function figures(now, recent) {
  const p99 = percentile(recent.time, now.second_bounds, 99);
  const all = Object.values(now.statuses);
  $("now").replaceChildren(...[
    ["Requests", `${short(recent.answered / recent.seconds)}/s`, `${whole(total(all))} since the start`],
    ["p99 in the server", p99 === null ? "–" : `≈ ${ms(1000 * p99)}`, "last ten seconds"],
    ["Refused", `${short(recent.refused / recent.seconds)}/s`, Object.entries(now.problems).map(([name, count]) => `${name} ${whole(count)}`).slice(0, 2).join(", ") || "none so far"],
    ["Workers", whole(now.workers), `${bytes(now.resident_bytes)} of memory`],
  ].map(([name, value, soft]) => h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, soft)))));
}

function row(model, now, seconds) {
  const time = (buckets, share) => {
    const found = percentile(buckets, now.second_bounds, share);
    return found === null ? "–" : `≈ ${ms(1000 * found)}`;
  };
  const cells = [
    short(model.requests / seconds), short(model.images / seconds), time(model.infer, 50), time(model.infer, 99), time(model.queue, 99),
    whole(model.waiting), model.calls ? short(model.batched / model.calls) : "–", whole(model.refused),
  ];
  return h("tr", {}, h("td", {}, model.model, h("small", {}, model.runtime)), cells.map((cell) => h("td", { class: "number" }, cell)));
}
