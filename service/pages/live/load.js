// A short load from this browser: due times of a Poisson process, latency from when each request was due. Bounded in
// rate and length by the sliders, and in what may be under way; what the browser cannot send in time is counted.
import { ask, idOf, json, models, picture } from "../shell/api.js";
import { $, choices, h, trouble } from "../shell/dom.js";
import { ms, whole } from "../shell/format.js";

const IMAGES = 24, UNDER_WAY = 64;
let stop = null;

/** Wire the panel up; without `offered` it says why there is no load. The answer looks anew which models there are. */
export async function load(offered) {
  const { splits } = await json("/splits");
  const about = $("load-about").textContent;
  let usable = [];

  function offer(found) {
    usable = found.models.filter((model) => model.ready && splitFor(model, splits));
    $("load").hidden = !offered || !usable.length;
    $("load-about").textContent = !offered
      ? "The operator of this server does not offer a load from this page: it has API keys, and WEIGHBRIDGE_PAGE_LOAD is not true."
      : usable.length ? about : found.models.some((model) => model.ready) ? "No bundled split fits a model of this server, so there is nothing to send."
        : "No model is ready yet.";
    const first = !$("load-model").options.length;
    choices($("load-model"), usable.map((model) => [idOf(model), idOf(model)]));
    if (first && found.default) $("load-model").value = found.default;
  }

  offer(await models());
  for (const id of ["load-rate", "load-seconds"]) {
    const tell = () => { $(`${id}-told`).textContent = $(id).value; };
    $(id).addEventListener("input", tell);
    tell();
  }
  $("load").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (stop) { stop.abort(); return; }
    stop = new AbortController();
    $("load-go").textContent = "Stop";
    try {
      const model = usable.find((each) => idOf(each) === $("load-model").value);
      const sent = await run(model, splitFor(model, splits), Number($("load-rate").value), Number($("load-seconds").value), stop.signal);
      $("load-told").textContent = summary(sent);
    } catch (error) {
      $("load-told").replaceChildren(trouble(error));
    }
    stop = null;
    $("load-go").textContent = "Start";
  });
  return () => models(true).then(offer).catch((error) => $("load-told").replaceChildren(trouble(error)));
}

const splitFor = (model, splits) => splits.find((split) => String(split.classes) === String(model.card.classes));

async function run(model, split, rate, seconds, signal) {
  const places = Array.from({ length: Math.min(IMAGES, split.count) }, (_, place) => place);
  const blobs = await Promise.all(places.map(async (place) => (await picture(`/splits/${encodeURIComponent(split.name)}/images/${place}.png`)).blob));
  const path = `/predict?model=${encodeURIComponent(idOf(model))}&top_k=1`;
  const sent = { took: [], refused: 0, failed: 0, skipped: 0, due: 0, stopped: false };
  const under = new Set(), began = performance.now(), ends = began + 1000 * seconds;
  let due = began, told = 0;

  const one = async (at) => {
    try {
      const answer = await ask(path, { method: "POST", body: blobs[sent.due % blobs.length], headers: { "Content-Type": "image/png" } });
      await answer.arrayBuffer();
      sent.took.push(performance.now() - at);
    } catch (error) {
      if (error.status) sent.refused++;
      else sent.failed++;
    }
  };
  while (due < ends && !signal.aborted) {
    due += -1000 * Math.log(1 - Math.random()) / rate;
    if (due >= ends) break;
    const wait = due - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    sent.due++;
    if (under.size >= UNDER_WAY) { sent.skipped++; continue; }
    const asked = one(due).finally(() => under.delete(asked));
    under.add(asked);
    if (performance.now() - told > 250) {
      told = performance.now();
      $("load-told").replaceChildren(`Sending: ${whole(sent.took.length)} answered. `, h("span", { class: "soft" }, `${Math.ceil((ends - told) / 1000)} s left`));
    }
  }
  sent.stopped = signal.aborted;
  await Promise.all(under);
  return sent;
}

function summary({ took, refused, failed, skipped, due, stopped }) {
  took.sort((one, other) => one - other);
  const at = (share) => took[Math.min(took.length - 1, Math.ceil(share * took.length) - 1)];
  const parts = [`${whole(took.length)} of ${whole(due)} answered${stopped ? " until it was stopped" : ""}`];
  if (took.length) parts.push(`p50 ${ms(at(.5))}, p99 ${ms(at(.99))} as this browser sees it, from when each was due`);
  if (refused) parts.push(`${whole(refused)} refused`);
  if (failed) parts.push(`${whole(failed)} failed`);
  if (skipped) parts.push(`${whole(skipped)} not sent, because ${UNDER_WAY} were under way`);
  return `${parts.join("; ")}.`;
}
