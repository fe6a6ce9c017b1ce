// Every model's answer to one image, one model after the other so that they do not slow each other down.
import { ask, idOf } from "../shell/api.js";
import { $, h, trouble } from "../shell/dom.js";
import { count, ms, percent } from "../shell/format.js";
import { look } from "./saliency.js";

// The stages of Server-Timing in their order, with what they are and a colour that stands beside its neighbours.
const STAGES = {
  read: ["reading the body", "m7"], parse: ["taking it apart", "m3"], decode: ["decoding and scaling", "m4"],
  queue: ["waiting", "m1"], infer: ["in the runtime", "m0"], encode: ["writing the answer", "m2"],
};
// What is wrong with the image itself every model would say alike.
const OF_THE_IMAGE = ["unsupported-image-format", "image-unreadable", "image-too-large", "no-image", "body-too-large"];
const INVITATION = "Choose a sample, or bring an image of your own.";
let entries = [], generation = 0, running = null;

/** Make an empty card per ready model. */
export function prepare(ready) {
  entries = ready.map((model) => ({ model, id: idOf(model), card: h("article", { "aria-label": idOf(model) }) }));
  $("stages").replaceChildren(...Object.values(STAGES).map(([words, colour]) =>
    h("li", {}, h("span", { class: "swatch", vars: { "--colour": `var(--${colour})` } }), words)));
}

/** Nothing was asked, or what was is not there any more. */
export function forget(words = INVITATION) {
  generation++;
  running?.abort();
  $("agreement").textContent = words;
  for (const entry of entries) entry.card.replaceChildren();
  $("weighed").replaceChildren();
  $("try-problem").replaceChildren();
  $("seen-box").hidden = $("stages").hidden = true;
}

/** Ask every model about `image` {blob, truth, classes}; a newer image ends this. */
export async function weigh(image) {
  const mine = ++generation;
  running?.abort();
  running = new AbortController();
  const signal = running.signal;
  $("try-problem").replaceChildren();
  const fits = (entry) => image.classes === String(entry.model.card.classes);
  const ordered = [...entries].sort((one, other) => fits(other) - fits(one));  // who knows the sample's classes comes first
  if (ordered.some((entry, place) => $("weighed").children[place] !== entry.card)) $("weighed").replaceChildren(...ordered.map((entry) => entry.card));
  for (const entry of entries) {
    if (!entry.card.children.length) entry.card.append(h("div", { class: "head" }, h("h3", {}, entry.id)));
    entry.card.classList.add("waiting");
  }
  const answers = [];
  try {
    await see(image, ordered, signal);
    for (const entry of ordered) {
      const found = await one(entry, image, signal);
      if (mine !== generation) return;
      answers.push({ entry, found });
      show(entry, found, image);
    }
  } catch (error) {
    if (error.name === "AbortError" || mine !== generation) return;
    forget(OF_THE_IMAGE.includes(error.slug) ? "This image cannot be used." : "No model was asked.");
    throw error;
  }
  agree(answers, image);
  $("stages").hidden = false;
}

const body = (image, signal) => ({ method: "POST", body: image.blob, signal, headers: { "Content-Type": image.blob.type || "image/png" } });

/** Whether no other model need be asked: somebody left, would give no key, or the image is at fault. */
const ends = (error) => error.name === "AbortError" || error.again || OF_THE_IMAGE.includes(error.slug);

async function one(entry, image, signal) {
  const top = Math.min(5, entry.model.card.classes.length), began = performance.now();
  try {
    const answer = await ask(`/predict?model=${encodeURIComponent(entry.id)}&top_k=${top}`, body(image, signal));
    const told = await answer.json();
    const tripMs = performance.now() - began;
    const stages = Object.fromEntries((answer.headers.get("Server-Timing") ?? "").split(", ").map((part) => {
      const [name, value] = part.split(";dur=");
      return [name, Number(value)];
    }));
    return { ...told.predictions[0], runtime: told.runtime, device: told.device, stages, tripMs };
  } catch (error) {
    if (ends(error)) throw error;
    return { error };
  }
}

function show(entry, found, image) {
  entry.card.classList.remove("waiting");
  const known = image.truth && image.classes === String(entry.model.card.classes);
  const verdict = !known || found.error ? null : found.label === image.truth
    ? h("span", { class: "tag good" }, "right") : h("span", { class: "tag bad" }, "wrong");
  const head = h("div", { class: "head" }, h("h3", {}, entry.id), verdict);
  if (found.error) {
    entry.card.replaceChildren(head, trouble(found.error));
    return;
  }
  entry.card.replaceChildren(
    head,
    h("p", { class: "answer" }, h("span", { class: "sure" }, percent(found.probability, 1)), found.label),
    h("ul", { class: "bars", "aria-label": "Most probable classes" }, found.top.map((choice) => h("li", {},
      h("span", { title: choice.label }, choice.label),
      h("span", { class: "track" }, h("i", { class: "smooth", vars: { "--share": `${100 * choice.probability}%` } })),
      h("span", { class: "value" }, percent(choice.probability, 1))))),
    look(entry, () => body(image)),
    time(found),
  );
}

function time(found) {
  const total = found.stages.total || 1;
  const parts = Object.entries(STAGES).filter(([name]) => found.stages[name] > 0);
  return h("div", { class: "time" },
    h("div", { class: "stack", "aria-hidden": "true" }, parts.map(([name, [words, colour]]) =>
      h("i", { title: `${words}: ${ms(found.stages[name])}`, vars: { "--share": String(found.stages[name] / total), "--colour": `var(--${colour})` } }))),
    h("details", {},
      h("summary", {}, `${ms(found.stages.total)} in the server, ${ms(found.tripMs)} round trip`),
      h("dl", {}, [...parts.map(([name, [words]]) => [words, found.stages[name]]), ["total", found.stages.total]]
        .map(([words, value]) => [h("dt", {}, words), h("dd", {}, ms(value))])),
      h("p", { class: "small" }, `${found.runtime} on ${found.device}`)));
}

/** What enters the graph, once per shape that the models take. */
async function see(image, ordered, signal) {
  const shapes = new Map();
  for (const entry of ordered) {
    const { height, width, channels } = entry.model.card.input, key = `${height} × ${width}${channels === 3 ? ", RGB" : ", grey"}`;
    if (!shapes.has(key)) shapes.set(key, { ...entry, names: [] });
    shapes.get(key).names.push(entry.model.name);
  }
  const figures = [];
  for (const [key, entry] of shapes) {
    try {
      const found = await (await ask(`/predict/input?model=${encodeURIComponent(entry.id)}`, body(image, signal))).json();
      const from = found.resized ? `, from ${found.original_size.height} × ${found.original_size.width}` : "";
      figures.push(h("figure", {}, h("img", { src: found.image, alt: `the image as ${key} pixels` }),
        h("figcaption", {}, h("strong", {}, `${key}${from}`),
          shapes.size > 1 ? `For ${entry.names.join(", ")}.` : "After decoding and scaling: the very pixels that enter the graph.")));
    } catch (error) {
      if (ends(error)) throw error;
    }
  }
  $("seen-box").hidden = !figures.length;
  $("seen").replaceChildren(...figures);
}

/** Who says what, in a sentence per set of classes: only models of the same classes can agree. */
function agree(answers, image) {
  const worlds = new Map();
  for (const { entry, found } of answers) {
    if (found.error) continue;
    const key = String(entry.model.card.classes);
    if (!worlds.has(key)) worlds.set(key, new Map());
    const votes = worlds.get(key);
    votes.set(found.label, [...(votes.get(found.label) ?? []), entry.id]);
  }
  const failed = answers.filter(({ found }) => found.error).length;
  const [first, ...others] = [...worlds.values()].map(sentence);
  const more = [
    image.truth ? `The sample is labelled ${image.truth}.` : "",
    first?.rest ?? "", ...others.map((each) => `${each.head} ${each.rest}`),
    failed ? `${count(failed, "model")} could not answer.` : "",
  ].filter((words) => words.trim());
  $("agreement").replaceChildren(first?.head ?? "No model could answer.", ...more.map((words) => h("small", {}, words)));
}

function sentence(votes) {
  const ranked = [...votes].sort((one, other) => other[1].length - one[1].length);
  const total = ranked.reduce((sum, [, names]) => sum + names.length, 0), [[label, names], ...others] = ranked;
  const rest = others.map(([other, who]) => `${who.join(" and ")}: ${other}`).join("; ");
  if (!others.length) return { head: total === 1 ? `${names[0]} says ${label}.` : `All ${total} models say ${label}.`, rest: "" };
  if (names.length === 1) return { head: `${total} models, ${ranked.length} opinions.`, rest: `${names[0]}: ${label}; ${rest}.` };
  return { head: `${names.length} of ${total} models say ${label}.`, rest: `${rest}.` };
}
