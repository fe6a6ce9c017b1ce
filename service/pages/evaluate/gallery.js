// Images with a caption: of a split from the server, of an upload as the small picture that was kept with the job.
import { drawn, json, picture } from "../shell/api.js";
import { h } from "../shell/dom.js";

/** `entries`: {title, words, url or thumbnail, place}. For uploads, `images` and `answer` tell where a picture was kept. */
export async function gallery(entries, images = null, answer = null) {
  const figures = await Promise.all(entries.map(async (each) => {
    const source = each.thumbnail ?? (each.url ? (await picture(each.url)).url : await kept(each, images, answer));
    const words = each.name ? `${each.words}, ${each.name}` : each.words;
    return h("figure", {}, source ? drawn(source, { alt: `${each.title}: ${words}` }) : h("span", { class: "blank" }),
      h("figcaption", {}, h("strong", {}, each.title), words));
  }));
  return h("div", { class: "gallery" }, figures);
}

const cells = new Map();

/** A mistake of an upload is among the first of its cell, where small pictures are. */
async function kept(each, images, answer) {
  if (!images) return null;
  const index = (name) => answer.classes.findIndex((one) => one.label === name);
  const url = `${images}&label=${index(each.label)}&predicted=${index(each.predicted)}`;
  if (!cells.has(url)) cells.set(url, json(url));
  return (await cells.get(url)).images.find((one) => one.place === each.place)?.thumbnail ?? null;
}
