// Evaluate: ask for a score, watch the job, look at what came out. Jobs are the server's; this page only asks and shows.
import { ask, idOf, json, models, whenReady } from "../shell/api.js";
import { $, choices, h, trouble } from "../shell/dom.js";
import { count, duration, whole, when } from "../shell/format.js";
import { result } from "./result.js";

const JOBS = "/evaluate/jobs", LOOK_MS = 400, LONGEST_MS = 10_000, OWN = " own";
const GONE = [404, 410];
let watched = null;

export async function start() {
  const found = await whenReady(() => $("ask-problem").replaceChildren(h("p", { class: "notice" }, "No model is ready yet.")));
  const { splits } = await json("/splits");
  $("ask-problem").replaceChildren();
  let ready = [];
  const classesOf = (id) => String(ready.find((model) => idOf(model) === id)?.card.classes);

  const offer = (now) => {
    ready = now.models.filter((model) => model.ready);
    const first = !$("ask-model").options.length;
    choices($("ask-model"), ready.map((model) => [idOf(model), idOf(model)]));
    if (first && now.default) $("ask-model").value = now.default;
    fit();
  };
  const fit = () => {
    const mine = classesOf($("ask-model").value);
    choices($("ask-compare"), [["", "nothing"], ...ready.map(idOf).filter((id) => id !== $("ask-model").value && classesOf(id) === mine).map((id) => [id, id])]);
    const usable = splits.filter((split) => String(split.classes) === mine);
    choices($("ask-data"), [...usable.map((split) => [split.name, split.name]), [OWN, "files of my own"]]);
    own();
  };
  const own = () => {
    const mine = $("ask-data").value === OWN, split = splits.find((each) => each.name === $("ask-data").value);
    $("ask-count").textContent = split ? `(of ${whole(split.count)})` : "";
    $("ask-files-field").hidden = $("ask-hint").hidden = !mine;
    $("ask-files").required = mine;
  };
  $("ask-model").addEventListener("change", fit);
  $("ask-data").addEventListener("change", own);
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    submit().catch(failed);
  });
  $("job-cancel").addEventListener("click", () => watched && ask(`${JOBS}/${watched}`, { method: "DELETE" }).catch(failed));
  offer(found);
  await recent();
  return { show: () => models(true).then(offer).catch(failed) };
}

const failed = (error) => {
  $("ask-go").disabled = false;
  $("job").hidden = true;
  $("ask-problem").replaceChildren(trouble(error));
};

async function submit() {
  $("ask-problem").replaceChildren();
  $("ask-go").disabled = true;
  const asked = { model: $("ask-model").value, job: true };
  if ($("ask-compare").value) asked.compare = $("ask-compare").value;
  if ($("ask-limit").value) asked.limit = Number($("ask-limit").value);
  const options = { method: "POST" };
  if ($("ask-data").value === OWN) {
    options.body = new FormData();
    for (const [name, value] of Object.entries(asked)) options.body.append(name, String(value));
    for (const file of $("ask-files").files) options.body.append("data", file);
  } else {
    options.body = JSON.stringify({ ...asked, split: $("ask-data").value });
    options.headers = { "Content-Type": "application/json" };
  }
  const job = await json("/evaluate", options);
  $("ask-go").disabled = false;
  await watch(job);
}

/** Follow a job to its end, and show what came of it. */
async function watch(job) {
  watched = job.id;
  $("result").replaceChildren();
  $("job").hidden = false;
  $("job-title").textContent = titleOf(job);
  while (watched === job.id && (job.state === "queued" || job.state === "running")) {
    $("job-progress").value = job.progress;
    $("job-state").textContent = job.state === "queued" ? "waits for its turn"
      : `${whole(job.done)} of ${whole(job.images * (job.compare ? 2 : 1))} images${job.left_s ? `, ${duration(job.left_s)} left` : ""}`;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    job = await patiently(job);
  }
  if (watched !== job.id) return;
  $("job").hidden = true;
  if (job.state === "done") await open(job);
  else $("ask-problem").replaceChildren(trouble(Object.assign(new Error(job.problem?.detail ?? `The evaluation was ${job.state}.`), { cure: job.problem?.cure })));
  await recent();
}

/** How the job is now. It goes on whether it can be asked or not, so only an answer that it is gone ends this. */
async function patiently(job) {
  for (let wait = 2 * LOOK_MS; watched === job.id; wait = Math.min(2 * wait, LONGEST_MS)) {
    try {
      return await json(job.url);
    } catch (error) {
      if (GONE.includes(error.status) || error.again) throw error;
      $("job-state").textContent = `cannot be asked now (${error.message}), trying again`;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return job;
}

async function open(job) {
  $("ask-problem").replaceChildren();
  const answer = await json(job.result);
  $("result").replaceChildren(await result(answer, job));
  $("result").focus({ preventScroll: true });
}

const titleOf = (job) => `${job.model}${job.compare ? ` against ${job.compare}` : ""} on ${job.data}`;

async function recent() {
  const { jobs } = await json(JOBS);
  $("recent").hidden = !jobs.length;
  $("jobs").replaceChildren(...jobs.slice(0, 12).map((job) => h("li", {},
    job.state === "failed" || job.state === "cancelled" ? h("span", {}, titleOf(job))
      : h("button", { class: "plain", onclick: () => (job.state === "done" ? open(job) : watch(job)).catch(failed) }, titleOf(job)),
    h("span", { class: job.state === "failed" ? "bad small" : "small" }, job.state === "done" ? count(job.images, "image") : job.state),
    h("span", { class: "soft" }, when(job.created)))));
}
