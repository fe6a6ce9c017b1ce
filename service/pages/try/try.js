// Try: one image, every model's answer. Brings together where the image comes from, the answers and the snippet.
import { lineup, models, whenReady } from "../shell/api.js";
import { $, trouble } from "../shell/dom.js";
import { forget, prepare, weigh } from "./answers.js";
import { samples } from "./samples.js";
import { sources } from "./sources.js";
import { snippets } from "./snippet.js";

export async function start() {
  let found = await whenReady(() => { $("agreement").textContent = "No model is ready yet."; });
  const ready = () => found.models.filter((model) => model.ready);
  prepare(ready());
  forget();
  snippets();

  /** `image`: {blob, name, truth}; the newest one wins. */
  const use = (image) => {
    if (!image.drawn) preview(image.blob);
    for (const button of $("samples").children) button.setAttribute("aria-pressed", String(button === image.from));
    if (!image.drawn && matchMedia("(max-width: 860px)").matches) {
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      $("agreement").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });  // the answers are below
    }
    return weigh(image).catch((error) => $("try-problem").replaceChildren(trouble(error, error.again ? () => use(image) : null)));
  };
  const show = sources(use, forget);
  const offer = () => samples(ready(), (image) => { show("file"); return use(image); });
  await offer();

  /** Models that came, went or became ready meanwhile are asked from the next image on. */
  async function again() {
    const now = await models(true), before = lineup(found);
    found = now;
    if (lineup(now) === before) return;
    prepare(ready());
    await offer();
  }
  return { show: () => again().catch(failed), hide: () => show("file") };
}

const failed = (error) => $("try-problem").replaceChildren(trouble(error));

let last = null;

function preview(blob) {
  if (last) URL.revokeObjectURL(last);
  last = URL.createObjectURL(blob);
  const image = new Image();
  image.alt = "the image that was sent";
  image.onload = () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) < 200);
  image.src = last;
  $("drop").querySelector("img")?.remove();
  $("drop-text").classList.add("hush");
  $("drop").classList.add("filled");
  $("drop").append(image);
}
