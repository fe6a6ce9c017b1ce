// Try: one image, every model's answer. Brings together where the image comes from, the answers and the snippet.
import { models } from "../shell/api.js";
import { $, trouble } from "../shell/dom.js";
import { weigh, prepare } from "./answers.js";
import { samples } from "./samples.js";
import { sources } from "./sources.js";
import { snippets } from "./snippet.js";

export async function start(section) {
  let found = await models();
  while (!found.models.some((model) => model.ready)) {  // the server may just have started
    $("agreement").textContent = "No model is ready yet.";
    await new Promise((resolve) => setTimeout(resolve, 1000));
    found = await models(true);
  }
  $("agreement").textContent = "Choose a sample, or bring an image of your own.";
  const ready = found.models.filter((model) => model.ready);
  prepare(ready);
  snippets();

  /** `image`: {blob, name, truth}; the newest one wins. */
  const use = (image) => {
    if (!image.drawn) preview(image.blob);
    for (const button of $("samples").children) button.setAttribute("aria-pressed", String(button === image.from));
    if (!image.drawn && matchMedia("(max-width: 860px)").matches) {
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      $("agreement").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });  // the answers are below
    }
    return weigh(image).catch((error) => $("try-problem").replaceChildren(trouble(error)));
  };
  const show = sources(use);
  await samples(ready, (image) => { show("file"); return use(image); });
  return { hide: () => show("file") };
}

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
