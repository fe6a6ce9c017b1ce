// Evaluate: ask for a score, watch the job, look at what came out. Jobs are the server's; this page only asks and shows.
import { ask, idOf, json, models } from "../shell/api.js";
import { $, choices, h, trouble } from "../shell/dom.js";
import { count, duration, whole, when } from "../shell/format.js";
import { result } from "./result.js";

const JOBS = "/evaluate/jobs", LOOK_MS = 400, OWN = " own";
let watched = null;

export async function start() {
  const [found, { splits }] = await Promise.all([models(), json("/splits")]);
  const ready = found.models.filter((model) => model.ready);
  choices($("ask-model"), ready.map((model) => [idOf(model), idOf(model)]));
  if (found.default) $("ask-model").value = found.default;
  const classesOf = (id) => String(ready.find((model) => idOf(model) === id)?.card.classes);

  const fit = () => {
    const mine = classesOf($("ask-model").value);
    choices($("ask-compare"), [["", "nothing"], ...ready.map(idOf).filter((id) => id !== $("ask-model").value && classesOf(id) === mine).map((id) => [id, id])]);
    const usable = splits.filter((split) => String(split.classes) === mine);
    choices($("ask-data"), [...usable.map((split) => [split.name, `${split.name} (${whole(split.count)})`]), [OWN, "files of my own"]]);
    own();
  };
  const own = () => {
    const mine = $("ask-data").value === OWN;
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
  fit();
  await recent();
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
    job = await json(job.url);
  }
  if (watched !== job.id) return;
  $("job").hidden = true;
  if (job.state === "done") await open(job);
  else $("ask-problem").replaceChildren(trouble(Object.assign(new Error(job.problem?.detail ?? `The evaluation was ${job.state}.`), { cure: job.problem?.cure })));
  await recent();
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
