// The table of all models: sorted by a click on a column's head, with what is missing always at the end.
import { $, h } from "../shell/dom.js";
import { bytes, ms, percent, range, whole } from "../shell/format.js";

const COLUMNS = [
  { name: "Model", of: (each) => each.id, text: true },
  { name: "Accuracy", of: (each) => each.accuracy, down: true, cell: (each) => [percent(each.accuracy), h("small", {}, range(each.low, each.high))], missing: "not measured" },
  { name: "p50", of: (each) => each.row?.p50_ms?.value, cell: (each) => [ms(each.row.p50_ms.value)] },
  { name: "p99", of: (each) => each.row?.p99_ms?.value, cell: (each) => [ms(each.row.p99_ms.value), each.row.p99_ms.interval ? h("small", {}, each.row.p99_ms.interval.map((value) => value.toFixed(2)).join(" – ")) : null, each.row.rate ? h("small", {}, `at ${whole(each.row.rate)}/s`) : null] },
  { name: "Capacity", of: (each) => each.row?.capacity?.[0], down: true, cell: (each) => [`${whole(each.row.capacity[0])}/s`, h("small", {}, limit(each.row))] },
  { name: "Throughput", of: (each) => each.row?.throughput?.value, down: true, cell: (each) => [`${whole(each.row.throughput.value)}/s`] },
  { name: "Parameters", of: (each) => each.parameters, cell: (each) => [whole(each.parameters)] },
  { name: "Size", of: (each) => each.size, cell: (each) => [bytes(each.size)] },
];

/** What is known of the capacity from above. */
function limit(row) {
  if (row.ended_by) return `or more: the ${row.ended_by} gave in first`;
  return row.capacity[1] > row.capacity[0] ? `${whole(row.capacity[1])}/s was too much` : "or more: nothing failed";
}

/** Make the head; the answer draws the rows of `entries()` anew. */
export function table(entries) {
  const sorted = { column: COLUMNS[1], up: false };
  const body = $("models");

  function update() {
    for (const [place, head] of [...$("columns").children].entries()) {
      head.setAttribute("aria-sort", COLUMNS[place] !== sorted.column ? "none" : sorted.up ? "ascending" : "descending");
    }
    const value = sorted.column.of, sign = sorted.up ? 1 : -1;
    const ordered = [...entries()].sort((one, other) => {
      const a = value(one), b = value(other);
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || one.id.localeCompare(other.id);
      return sign * (typeof a === "string" ? a.localeCompare(b) : a - b) || one.id.localeCompare(other.id);
    });
    body.replaceChildren(...ordered.map(row));
  }

  $("columns").replaceChildren(...COLUMNS.map((column) => h("th", { scope: "col", class: column.text ? null : "number" },
    h("button", { onclick: () => {
      sorted.up = sorted.column === column ? !sorted.up : !column.down;
      sorted.column = column;
      update();
    } }, column.name))));
  return update;
}

function row(each) {
  const name = h("td", {},
    h("span", { class: "name" }, h("span", { class: "swatch", "aria-hidden": "true", vars: { "--colour": `var(--${each.colour})` } }), each.id),
    h("small", {}, each.model.card?.description ?? ""),
    each.best ? h("small", { class: "good" }, "recommended") : null,
    each.way ? h("small", {}, each.way) : null,
    each.row?.reason && !each.row.stale ? h("small", {}, `No capacity: ${each.row.reason}.`) : null,
    each.row?.stale ? h("small", { class: "bad" }, "speed is of another file of this version") : null);
  if (!each.model.ready) return h("tr", {}, name, h("td", { colspan: COLUMNS.length - 1 }, h("span", { class: "bad" }, each.model.reason)));
  const cells = COLUMNS.slice(1).map((column) => h("td", { class: "number" }, column.of(each) === undefined
    ? h("span", { class: "soft" }, column.missing ?? "–") : column.cell(each)));
  return h("tr", { class: [each.best && "best", each.row && !each.fits && "out"].filter(Boolean).join(" ") || null }, name, ...cells);
}
