// Elements from names, properties and children. Text is always text: nothing here or elsewhere parses markup from data.
import { sentence } from "./format.js";

/** h("p", {class: "soft", onclick: f}, "text", child, …); what is null or false is left out. */
export function h(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, one] of Object.entries(value)) made.style.setProperty(key, one);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Text with `code` between backticks, as children of an element. */
export const marked = (text) => text.split("`").map((part, place) => (place % 2 ? h("code", {}, part) : part));

/** The element of an id. */
export const $ = (id) => document.getElementById(id);

/** Load a part's markup, which is ours and holds no data, into its section; its style sheet first. */
export async function furnish(section, folder, name) {
  const sheet = `${folder}/${name}.css`;
  const [answer] = await Promise.all([fetch(`${folder}/${name}.html`), styled(sheet)]);
  if (!answer.ok) throw new Error(`${folder}/${name}.html: the server answered ${answer.status}.`);
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  section.replaceChildren(...parsed.body.childNodes);
}

const sheets = new Map();

/** Load a style sheet once; resolves when it holds. */
export function styled(url) {
  if (document.querySelector(`link[rel="stylesheet"][href="${url}"]`) && !sheets.has(url)) return Promise.resolve();
  if (!sheets.has(url)) {
    sheets.set(url, new Promise((resolve, reject) => {
      const link = h("link", { rel: "stylesheet", href: url, onload: resolve, onerror: () => {
        link.remove();
        sheets.delete(url);  // so that it can be tried again
        reject(new Error(`${url} could not be loaded.`));
      } });
      document.head.append(link);
    }));
  }
  return sheets.get(url);
}

/** Fill a <select> with [value, text] pairs, keeping what was chosen where it is still there. */
export function choices(select, pairs) {
  const before = select.value;
  select.replaceChildren(...pairs.map(([value, text]) => h("option", { value }, text)));
  if (pairs.some(([value]) => value === before)) select.value = before;
}

/** A refusal of the server, or a failure to reach it, as something to read; with `again`, a button that does it again. */
export function trouble(error, again = null) {
  const box = h("div", { class: "trouble", role: "alert" },
    h("strong", {}, sentence(error.message)), error.cure ? h("span", {}, ` ${sentence(error.cure)}`) : null,
    again ? h("p", { class: "actions" }, h("button", { onclick: () => { box.remove(); again(); } }, error.again ?? "Try again")) : null);
  return box;
}
