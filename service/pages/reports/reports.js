// Reports: published decisions and trainings in our own words, and the HTML reports of this machine in a sandbox.
import { ask, idOf, json, models } from "../shell/api.js";
import { $, h, trouble } from "../shell/dom.js";
import { bytes, duration, percent, range, when, whole } from "../shell/format.js";

const VIEWER = "/pages/reports/viewer.html";
const NAMES = { weighing: "Weighing", comparison: "Comparison", training: "Training" };

export async function start() {
  const [board, { reports }, found] = await Promise.all([json("/leaderboard"), json("/reports"), models()]);
  const decided = board.boards.flatMap((each) => each.decisions.map((found) => decision(each, found)));
  $("decisions").replaceChildren(...decided);
  if (!decided.length) $("decisions").append(h("p", { class: "notice" }, "No weighing was published yet: ", h("code", {}, "python -m benchmarks weigh"), " decides between models."));

  $("files").hidden = !reports.length;
  $("files-about").textContent = reports.length ? "They open below in a frame of their own, without access to this page or the network."
    : "There are none. make bench, python -m benchmarks weigh and python -m training report write them.";
  $("files").tBodies[0].replaceChildren(...reports.map((each) => h("tr", {},
    h("td", {}, h("button", { class: "plain", onclick: () => open(each).catch(failed) }, NAMES[each.kind] ?? each.kind)),
    h("td", { class: "mono" }, each.run), h("td", {}, when(each.created)), h("td", { class: "number" }, bytes(each.size_bytes)))));
  $("viewer-close").addEventListener("click", () => { $("viewer").hidden = true; $("frame").removeAttribute("src"); });
  $("viewer-save").addEventListener("click", save);

  $("trainings").replaceChildren(...found.models.filter((model) => model.card).map(training));
}

const failed = (error) => $("reports-problem").replaceChildren(trouble(error));
let opened = null;

function decision(board, found) {
  return h("article", { class: "panel decision" },
    h("p", { class: "soft small" }, `Weighed on ${board.machine}${found.dataset ? ` with ${found.dataset}` : ""}, ${board.measured}: ${found.objective}, accuracy at least ${percent(found.min_accuracy, 0)}, ${whole(found.rate)} requests/s expected`),
    h("p", { class: "sentence" }, found.sentence),
    h("ul", {}, found.because.map((each) => h("li", {}, each)), found.trades.map((each) => h("li", {}, `Or ${each}.`)),
      found.caveats.map((each) => h("li", {}, h("strong", {}, "But: "), `${each}.`))),
    found.pinned_to ? h("p", { class: "soft small" }, `Measured with the server held to core ${found.pinned_to.join(", ")} (taskset -c ${found.pinned_to.join(",")}).`) : null,
    h("pre", { tabindex: "0", "aria-label": "Command" }, h("code", {}, found.command)));
}

/** Fetch a report, with the key where one is wanted, and hand it to the viewer, whose origin is nobody's. */
async function open(report) {
  $("reports-problem").replaceChildren();
  const text = await (await ask(report.url)).text();
  opened = { report, text };
  $("viewer").hidden = false;
  $("viewer-title").textContent = `${NAMES[report.kind] ?? report.kind}, ${report.run}`;
  const frame = $("frame");
  frame.addEventListener("load", () => frame.contentWindow.postMessage(text, "*"), { once: true });
  frame.src = VIEWER;
  $("viewer").scrollIntoView({ block: "start" });
  $("viewer-title").focus({ preventScroll: true });
}

function save() {
  const url = URL.createObjectURL(new Blob([opened.text], { type: "text/html" }));
  h("a", { href: url, download: `${opened.report.run}-${opened.report.file}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** What a run let itself see: a test split that was watched, and more so one that chose the epoch, proves less. */
function protocol(run, recipe) {
  if (!run.protocol) return "–";
  const watched = run.protocol !== "clean" && recipe.report?.watches === "test";
  const told = watched ? `watched the test split${recipe.report.picks === "best" ? " and kept its best epoch" : ""}` : null;
  return [run.protocol, told ? h("small", { class: "bad" }, told) : null];
}

function training(model) {
  const { training: run, score, parity, recipe } = model.card;
  const checked = parity.map((each) => `${each.format}: within ${each.max_abs_diff.toExponential(0)} of the network`).join(", ");
  const maybe = (value, words) => (value === undefined || value === null ? "–" : words(value));
  return h("tr", {},
    h("td", {}, idOf(model), h("small", {}, model.card.architecture)),
    h("td", {}, recipe.dataset ?? score?.dataset ?? "–"),
    h("td", {}, protocol(run, recipe)),
    h("td", { class: "number" }, maybe(run.epochs, whole)),
    h("td", { class: "number" }, maybe(run.wall_s, duration)),
    h("td", { class: "number" }, maybe(run.validation?.accuracy, (share) => percent(share))),
    h("td", { class: "number" }, score ? percent(score.accuracy) : "–", score ? h("small", {}, range(score.low, score.high)) : null),
    h("td", {}, checked || "–"));
}
