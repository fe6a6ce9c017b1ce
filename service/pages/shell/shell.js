// The frame: one part is shown at a time, named by the address's #, and loaded when it is first looked at.
import { $, furnish, h, trouble } from "./dom.js";
import * as key from "./key.js";

const PARTS = ["try", "leaderboard", "evaluate", "live", "reports"];
const started = new Map();
let shown = null;

/** A part: {show, hide}, both optional, once its markup, style and script are there. */
function start(name) {
  const section = $(`part-${name}`), folder = `/pages/${name}`;
  section.replaceChildren(h("p", { class: "soft loading" }, "Loading…"));
  const begun = Promise.all([import(`${folder}/${name}.js`), furnish(section, folder, name)])
    .then(([module]) => module.start(section));
  begun.catch((error) => {
    started.delete(name);
    section.replaceChildren(trouble(error));
    console.error(error);
  });
  return begun;
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
  if (started.has(before)) (await started.get(before).catch(() => null))?.hide?.();
  if (!started.has(name)) started.set(name, start(name));
  const part = await started.get(name).catch(() => null);
  if (shown === name) part?.show?.();
}

async function health() {
  const answer = await fetch("/readyz");  // needs no key, and 503 has a body as well
  const found = await answer.json();
  const ready = found.models.filter((model) => model.state === "ready").length;
  $("health").dataset.state = found.ready ? "ready" : "waiting";
  $("health").textContent = found.ready ? `${ready} of ${found.models.length} models ready` : "not ready yet";
  if (!found.ready) setTimeout(health, 1000);
}

key.show();
$("forget").addEventListener("click", key.forget);
addEventListener("hashchange", show);
show();
health().catch(() => { $("health").textContent = ""; });

