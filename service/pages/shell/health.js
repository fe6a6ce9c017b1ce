// The light in the header: what /readyz says, which needs no key, again and again. Often while models are loading, else
// now and then, and at once when a request failed.
import { FAILED } from "./api.js";
import { $ } from "./dom.js";

const LOADING_MS = 1000, STEADY_MS = 15_000;
let timer = null, before = null, hurried = false;

/** Keep the light true; `changed()` is called whenever other models are ready than before. */
export function health(changed) {
  const look = async () => {
    const found = await ask();
    tell(found);
    const ready = String(found?.models.filter((model) => model.state === "ready").map((model) => model.model));
    if (found && before !== null && ready !== before) changed();
    if (found) before = ready;
    clearTimeout(timer);
    hurried = false;
    timer = setTimeout(look, found && loading(found) ? LOADING_MS : STEADY_MS);
  };
  addEventListener(FAILED, () => {
    if (hurried) return;  // many may fail at once, and none of them should put the look off again
    hurried = true;
    clearTimeout(timer);
    timer = setTimeout(look, LOADING_MS);
  });
  look();
}

/** 503 has a body as well; null where there is none to read. */
async function ask() {
  try {
    return await (await fetch("/readyz")).json();
  } catch {
    return null;
  }
}

const loading = (found) => !found.models.length || found.models.some((model) => model.state === "loading");

function tell(found) {
  const light = $("health");
  light.dataset.state = found === null ? "gone" : found.ready ? "ready" : "waiting";
  light.title = found?.reason ?? "";
  light.textContent = found === null ? "unreachable" : found.ready || !loading(found) ? counted(found.models) : "not ready yet";
}

function counted(models) {
  const of = (state) => models.filter((model) => model.state === state).length;
  return `${of("ready")} of ${models.length} models ready${of("failed") ? `, ${of("failed")} failed` : ""}`;
}
