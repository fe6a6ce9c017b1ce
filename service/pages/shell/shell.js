// The frame: one part is shown at a time, named by the address's #, and loaded when it is first looked at.
import { $, furnish, h, trouble } from "./dom.js";
import { health } from "./health.js";
import * as key from "./key.js";

const PARTS = ["try", "leaderboard", "evaluate", "live", "reports"];
const started = new Map();
let shown = null;

/** A part: {show, hide}, both optional, once its markup, style and script are there. */
function start(name) {
  const section = $(`part-${name}`), folder = `/pages/${name}`;
  const loading = h("p", { class: "soft loading", role: "status" }, "Loading…");
  section.replaceChildren(loading);
  const begun = Promise.all([import(`${folder}/${name}.js`), furnish(section, folder, name)])
    .then(([module]) => {
      section.prepend(loading);  // until it has what it shows
      return module.start(section);
    });
  begun.then(() => loading.remove(), (error) => {
    started.delete(name);
    section.replaceChildren(trouble(error, () => open(name)));
    if (!error.again) console.error(error);  // that nobody gave a key is no fault
  });
  return begun;
}

/** Start a part unless it has been, and let it look at the server anew. */
async function open(name) {
  if (!started.has(name)) started.set(name, start(name));
  const part = await started.get(name).catch(() => null);
  if (shown === name) part?.show?.();
}

async function show() {
  const asked = location.hash.slice(1).split("/")[0];
  const name = PARTS.includes(asked) ? asked : shown ?? PARTS[0];
  for (const link of $("parts").children) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const each of PARTS) $(`part-${each}`).hidden = each !== name;
  document.title = `${$("parts").querySelector(`[href="#${name}"]`).textContent} · Weighbridge`;
  if (shown === name) return;
  const before = shown;
  shown = name;
  // Not awaited: a part may wait for a model as long as it takes.
  started.get(before)?.then((part) => shown !== before && part?.hide?.(), () => null);
  await open(name);
}

key.show();
$("forget").addEventListener("click", key.forget);
addEventListener("hashchange", show);
show();
health(() => started.has(shown) && open(shown));
