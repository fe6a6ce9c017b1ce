// Images of the bundled splits to click on; what they show is known, so the answers can be told right or wrong.
import { drawn, json, picture } from "../shell/api.js";
import { $, choices, h } from "../shell/dom.js";

const SHOWN = 12;

let show = null, offered = "";

/** Offer samples of the splits that fit a ready model; `use` gets the chosen one. */
export async function samples(ready, use) {
  const { splits } = await json("/splits");
  const fits = (split) => ready.some((model) => String(model.card.classes) === String(split.classes));
  const usable = splits.filter(fits);
  $("samples-box").hidden = !usable.length;
  if (!usable.length || String(usable.map((split) => split.name)) === offered) return;
  offered = String(usable.map((split) => split.name));
  $("samples-split").hidden = usable.length === 1;
  choices($("samples-split"), usable.map((split) => [split.name, split.name]));
  let first = 0;
  if (!show) {
    $("samples-split").addEventListener("change", () => show(true));
    $("more").addEventListener("click", () => show(false));
  }
  show = (anew) => {
    first = anew ? 0 : first + SHOWN;
    return offer(usable.find((split) => split.name === $("samples-split").value), first, use);
  };
  await show(true);
}

async function offer(split, first, use) {
  const places = Array.from({ length: Math.min(SHOWN, split.count) }, (_, step) => (first + step) % split.count);
  $("samples").replaceChildren(...places.map((place) => h("button", { "aria-pressed": "false", "aria-label": `sample ${place}`, disabled: true })));
  await Promise.all(places.map(async (place, step) => {
    const found = await picture(`/splits/${encodeURIComponent(split.name)}/images/${place}.png`);
    const button = $("samples").children[step];
    button.append(drawn(found.url, { alt: "" }));
    button.title = found.label;
    button.setAttribute("aria-label", `${found.label}, image ${place} of ${split.name}`);
    button.disabled = false;
    button.addEventListener("click", () => use({
      blob: found.blob, name: `${place}.png`, truth: found.label, classes: String(split.classes), from: button,
    }));
  }));
}
