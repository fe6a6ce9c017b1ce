// What an evaluation found: figures, verdict, confusion, reliability, mistakes; of two models one at a time.
import { h } from "../shell/dom.js";
import { count, percent, range, short, when, whole } from "../shell/format.js";
import { confusion } from "./confusion.js";
import { gallery } from "./gallery.js";
import { reliability } from "./reliability.js";

const WORST = 12;

/** Everything about `answer`, the result of `job`, as one element. */
export async function result(answer, job) {
  const other = answer.comparison?.other;
  const box = h("div", { class: "result" }), shown = h("div", { class: "result" });
  const name = (one) => `${one.model}@${one.version}`;
  let latest = null;
  const buttons = (other ? [answer, other] : []).map((one, place) =>
    h("button", { "aria-pressed": String(!place), onclick: () => show(one, place) }, name(one)));

  async function show(one, place) {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === place)));
    shown.setAttribute("aria-busy", "true");
    latest = one;
    const made = await details(one, `/evaluate/jobs/${job.id}/images?of=${place ? "other" : "first"}`);
    if (latest !== one) return;
    shown.replaceChildren(...made);
    shown.removeAttribute("aria-busy");
  }

  const saves = ["html", "csv"].map((kind) => h("button", { onclick: () => save(job, kind) }, `Save ${kind.toUpperCase()}`));
  box.append(
    h("div", { class: "top" }, h("h2", {}, `${[answer, other].filter(Boolean).map(name).join(" against ")} on ${answer.split.name}`), ...saves),
    provenance(answer),
    ...(other ? [verdict(answer)] : []),
    ...(other ? [h("div", { class: "segments", role: "group", "aria-label": "Which model" }, buttons)] : []),
    shown,
  );
  await show(answer, 0);
  return box;
}

/** What was scored, when and by what. */
function provenance({ split, count: scored, runtime, device, made, made_by: by }) {
  const images = split.count && split.count !== scored ? `${whole(scored)} of ${whole(split.count)} images (limit)` : count(scored, "image");
  return h("p", { class: "soft small" }, [
    `${images}, ${runtime} on ${device}`, split.sha256 ? `SHA-256 of the split ${split.sha256.slice(0, 12)}` : null,
    made ? `${when(made)}, Weighbridge ${by}` : null,
  ].filter(Boolean).join("; "));
}

async function save(job, kind) {
  const { ask } = await import("../shell/api.js");
  const url = URL.createObjectURL(await (await ask(`${job.result}?format=${kind}`)).blob());
  h("a", { href: url, download: `evaluation-${job.id}.${kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function verdict(answer) {
  const { other, difference, low, high, p_value: p, only_first: first, only_second: second } = answer.comparison;
  const points = (value) => `${value > 0 ? "+" : ""}${(100 * value).toFixed(2)}`;
  const one = `${answer.model}@${answer.version}`, two = `${other.model}@${other.version}`;
  const words = low <= 0 && high >= 0 ? `${one} and ${two} cannot be told apart on these ${whole(answer.count)} images.`
    : `${difference > 0 ? one : two} is better than ${difference > 0 ? two : one}.`;
  return h("p", { class: "verdict" }, h("strong", {}, words), h("br"),
    `Difference ${points(difference)} points, 95 % interval ${points(low)} to ${points(high)}. `
    + `${count(first, "image")} only the first has right, ${whole(second)} only the second; McNemar's exact test, p\u00a0${p < .0001 ? "<\u00a00.0001" : `=\u00a0${short(p)}`}.`);
}

async function details(answer, images) {
  const figures = [
    ["Accuracy", percent(answer.accuracy), `95 %: ${range(answer.interval.low, answer.interval.high)}`],
    ["Balanced accuracy", percent(answer.balanced_accuracy), `${whole(answer.correct)} of ${whole(answer.count)} right`],
    ["Macro F1", percent(answer.macro.f1), "mean over the classes"],
    ["Calibration error", percent(answer.ece), "expected, 15 bins"],
    ["Log loss", short(answer.log_loss), `Brier ${short(answer.brier)}`],
    ...answer.top_k.filter((top) => top.k === 3).map((top) => ["Top 3", percent(top.accuracy), "the true class is among them"]),
  ];
  const cell = h("div");
  const curve = h("div", { role: "img", "aria-label": "Reliability: how often the model is right against how sure it is; a table follows" });
  const worst = await gallery(answer.mistakes.slice(0, WORST).map((each) => ({
    ...each, url: answer.split.sha256 ? `/splits/${encodeURIComponent(answer.split.name)}/images/${each.place}.png` : null,
    title: each.predicted, words: `is ${each.label}, ${percent(each.probability, 1)} sure`,
  })), images, answer);
  const bins = answer.reliability.filter((bin) => bin.count);
  queueMicrotask(() => reliability(curve, bins));
  return [
    h("dl", { class: "figures" }, figures.map(([name, value, soft]) => h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, soft))))),
    h("div", { class: "pair" },
      h("section", {}, h("h3", {}, "Confusion"), h("p", { class: "soft small" }, "Rows are the true class, columns what it was taken for. Choose a cell to see its images; the arrow keys move."),
        confusion(answer, (label, predicted) => showCell(cell, `${images}&label=${label}&predicted=${predicted}`))),
      h("section", {}, h("h3", {}, "Reliability"), h("p", { class: "soft small" }, `How often it is right where it is that sure, with 95 % Wilson intervals. On the line, it is as often right as it says. Grey bars: images, ${whole(Math.max(...bins.map((bin) => bin.count)))} where there are most.`), curve,
        h("table", { class: "hush" }, h("caption", {}, "Reliability"), h("thead", {}, h("tr", {}, ["sure", "right", "images"].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", {}, bins.map((bin) => h("tr", {}, h("td", {}, percent(bin.confidence, 1)), h("td", {}, percent(bin.accuracy, 1)), h("td", {}, whole(bin.count)))))))),
    cell,
    h("section", {}, h("h3", {}, "Most confident mistakes"), answer.mistakes.length ? worst : h("p", { class: "soft" }, "There are none.")),
    h("details", {}, h("summary", {}, "Every class"), classes(answer)),
  ];
}

async function showCell(box, url) {
  const { json } = await import("../shell/api.js");
  const found = await json(url);
  const right = found.label === found.predicted;
  const some = found.count > found.images.length ? `, ${right ? "the least" : "the most"} confident ${found.images.length}` : "";
  box.className = "cell";
  box.replaceChildren(
    h("div", { class: "row" }, h("h3", { role: "status" }, right ? `${found.label}, right` : `${found.label} taken for ${found.predicted}`, `: ${count(found.count, "image")}${some}`),
      h("button", { onclick: () => { box.replaceChildren(); box.className = ""; } }, "Close")),
    await gallery(found.images.map((each) => ({ ...each, title: each.name ?? `image ${each.place}`, words: `${percent(each.probability, 1)} sure` }))));
}

function classes(answer) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Every class" }, h("table", { class: "classes" },
    h("thead", {}, h("tr", {}, ["Class", "Precision", "Recall", "F1", "Images"].map((name, place) => h("th", { scope: "col", class: place ? "number" : null }, name)))),
    h("tbody", {}, answer.classes.map((each) => h("tr", {}, h("td", {}, each.label),
      [each.precision, each.recall, each.f1].map((share) => h("td", { class: "number" }, percent(share, 1))), h("td", { class: "number" }, whole(each.support)))))));
}
