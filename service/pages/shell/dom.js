// Elements from names, properties and children. Text is always text: nothing here or elsewhere parses markup from data.

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

/** The element of an id. */
export const $ = (id) => document.getElementById(id);

/** Load a part's markup, which is ours and holds no data, into its section; its style sheet first. */
export async function furnish(section, folder, name) {
  const sheet = `${folder}/${name}.css`;
  const [answer] = await Promise.all([fetch(`${folder}/${name}.html`), styled(sheet)]);
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  section.replaceChildren(...parsed.body.childNodes);
}

const sheets = new Map();

/** Load a style sheet once; resolves when it holds. */
export function styled(url) {
  if (document.querySelector(`link[rel="stylesheet"][href="${url}"]`) && !sheets.has(url)) return Promise.resolve();
  if (!sheets.has(url)) {
    sheets.set(url, new Promise((resolve, reject) => {
      document.head.append(h("link", { rel: "stylesheet", href: url, onload: resolve, onerror: reject }));
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

/** A refusal of the server, or a failure to reach it, as something to read. */
export function trouble(error) {
  return h("div", { class: "trouble", role: "alert" },
    h("strong", {}, error.message), error.cure ? h("span", {}, ` ${error.cure}`) : null);
}
