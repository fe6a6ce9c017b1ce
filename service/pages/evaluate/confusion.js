// The confusion matrix as a grid of buttons: one of them is in the tab order, the arrow keys move among them.
import { h } from "../shell/dom.js";
import { whole } from "../shell/format.js";

const WIDEST = 30;  // classes that a screen can show; of more, the most frequent confusions

/** A table; `open(label, predicted)` is called with indices. */
export function confusion(answer, open) {
  const names = answer.classes.map((each) => each.label), counts = answer.confusion;
  if (names.length > WIDEST) return list(names, counts, open);
  const misses = counts.flatMap((row, i) => row.filter((_, j) => i !== j)), worst = Math.max(1, ...misses);
  const cells = counts.map((row, i) => row.map((value, j) => {
    const total = row.reduce((sum, one) => sum + one, 0);
    const heat = !value ? 0 : i === j ? .25 + .75 * value / total : .12 + .88 * Math.sqrt(value / worst);
    const words = `${names[i]} taken for ${names[j]}: ${value}`;
    return h("button", { type: "button", tabindex: "-1", class: !value ? "zero" : i === j ? "hit" : "miss", title: words, "aria-label": words,
      "aria-pressed": "false", "aria-disabled": value ? null : "true", vars: { "--heat": String(heat) } }, whole(value));
  }));
  cells[0][0].tabIndex = 0;

  const table = h("table", { class: "confusion" },
    h("thead", {}, h("tr", {}, h("td"), names.map((name) => h("th", { scope: "col" }, h("span", {}, name))))),
    h("tbody", {}, cells.map((row, i) => h("tr", {}, h("th", { scope: "row" }, names[i]), row.map((button) => h("td", {}, button))))));

  const at = (button) => {
    for (const [i, row] of cells.entries()) if (row.includes(button)) return [i, row.indexOf(button)];
    return null;
  };
  const move = (i, j) => {
    for (const button of cells.flat()) button.tabIndex = -1;
    cells[i][j].tabIndex = 0;
    cells[i][j].focus();
  };
  table.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key], place = at(event.target);
    if (!step || !place) return;
    event.preventDefault();
    const last = cells.length - 1;
    move(Math.min(last, Math.max(0, place[0] + step[0])), Math.min(last, Math.max(0, place[1] + step[1])));
  });
  table.addEventListener("click", (event) => {
    const place = at(event.target);
    if (!place || !counts[place[0]][place[1]]) return;
    for (const button of cells.flat()) button.setAttribute("aria-pressed", String(button === event.target));
    open(...place);
  });
  return h("div", { class: "scroll" }, table);
}

function list(names, counts, open) {
  const pairs = counts.flatMap((row, i) => row.map((value, j) => [value, i, j])).filter(([value, i, j]) => value && i !== j);
  pairs.sort((one, other) => other[0] - one[0]);
  return h("ol", {}, pairs.slice(0, WIDEST).map(([value, i, j]) => h("li", {},
    h("button", { class: "plain", onclick: () => open(i, j) }, `${names[i]} taken for ${names[j]}`), ` ${whole(value)}`)));
}
