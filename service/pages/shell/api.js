// The only way to the server: adds the key, asks for one where it is wanted, and turns refusals into errors.
import * as key from "./key.js";

/** A problem document of the server as an error: `message` is its detail. */
export class Refusal extends Error {
  constructor(problem, status, retryAfter) {
    super(problem.detail ?? problem.title ?? `the server answered ${status}`);
    this.cure = problem.cure;
    this.status = status;
    this.slug = problem.type?.split(":").pop() ?? "";
    this.retryAfter = Number(retryAfter) || null;
  }
}

/** Told to the window when the server did not answer, or could not. */
export const FAILED = "weighbridge-failed";

/** fetch(), with the key; Refusal for anything but success. */
export async function ask(path, options = {}) {
  for (;;) {
    const used = key.current();
    const headers = { ...options.headers, ...(used ? { "X-API-Key": used } : {}) };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      dispatchEvent(new Event(FAILED));
      throw Object.assign(new Error("The server does not answer."), { cure: "Is it still running?" });
    }
    if (answer.status === 401) {
      await key.wanted(used);
      continue;
    }
    if (answer.status >= 500) dispatchEvent(new Event(FAILED));
    if (!answer.ok) throw new Refusal(await answer.json().catch(() => ({})), answer.status, answer.headers.get("Retry-After"));
    return answer;
  }
}

/** The body of an answer, parsed. */
export const json = async (path, options) => (await ask(path, options)).json();

/** POST an object as JSON. */
export const post = (path, body, options = {}) =>
  json(path, { ...options, method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

/** An image of the server as {url, blob, label}; an <img> could not send the key. */
export async function picture(path) {
  const answer = await ask(path);
  const blob = await answer.blob();
  return { blob, url: URL.createObjectURL(blob), label: decodeURIComponent(answer.headers.get("X-Weighbridge-Label") ?? "") };
}

/** An <img> of such a URL, which is let go once it is drawn. */
export function drawn(url, properties) {
  const image = Object.assign(new Image(), properties);
  if (url.startsWith("blob:")) image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  image.src = url;
  return image;
}

let known = null;

/** GET /models, remembered; `again` asks anew. */
export function models(again = false) {
  if (again || known === null) {
    known = json("/models");
    known.catch(() => { known = null; });
  }
  return known;
}

/** GET /models once one of them is ready: a server that has just started is waited for, and `waiting()` called. */
export async function whenReady(waiting) {
  for (let found = await models(true); ; found = await models(true)) {
    if (found.models.some((model) => model.ready)) return found;
    waiting();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** What differs when a model has come, gone, or become ready. */
export const lineup = (found) => String(found.models.map((model) => [idOf(model), model.ready]));

/** `name@version` of an entry of /models. */
export const idOf = (model) => `${model.name}@${model.version}`;
