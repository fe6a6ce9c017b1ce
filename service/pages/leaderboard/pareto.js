// The picture: accuracy against p99, with intervals, the frontier of what fits, and what the sliders leave out.
import { percent, short } from "../shell/format.js";
import { FONT, colour, plot } from "../shell/plot.js";

/** Draw `entries` into `box`; `show({limit, floor})` moves the limits. */
export async function pareto(box, entries) {
  box.replaceChildren();
  let asked = { limit: Infinity, floor: 0 };
  const sorted = [...entries].sort((one, other) => one.row.p99_ms.value - other.row.p99_ms.value);
  const times = sorted.flatMap((each) => [each.row.p99_ms.value, ...(each.row.p99_ms.interval ?? [])]);
  const shares = sorted.flatMap((each) => [each.accuracy, each.low, each.high]);
  const wide = Math.max(...times) / Math.min(...times) > 15;  // then a logarithmic axis tells more
  const room = .14 * (Math.max(...shares) - Math.min(...shares)) + .002;
  const x = wide ? [Math.min(...times) / 1.5, Math.max(...times) * 1.8] : [0, 1.22 * Math.max(...times)];
  const y = [Math.min(...shares) - room, Math.min(1.001, Math.max(...shares) + room)];

  const options = () => ({
    scales: { x: { time: false, distr: wide ? 3 : 1, range: x }, y: { range: y } },
    series: [{}, { paths: () => null, points: { show: false } }],
    axes: [
      { side: 2, label: "p99 response time, ms", values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
      { side: 3, values: (_, ticks) => ticks.map((tick) => percent(tick, 0)), size: 52 },
    ],
    hooks: { draw: [(chart) => paint(chart, sorted, asked)] },
  });
  const drawn = await plot(box, options, [sorted.map((each) => each.row.p99_ms.value), sorted.map((each) => each.accuracy)], 330);
  return { show(next) { asked = next; drawn.redraw(); } };
}

function paint(chart, entries, { limit, floor }) {
  const pen = chart.ctx, ratio = devicePixelRatio, { left, top, width, height } = chart.bbox;
  const X = (value) => chart.valToPos(value, "x", true), Y = (value) => chart.valToPos(value, "y", true);
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();

  // What is left out is shaded, with the two limits as its edges.
  const right = Math.min(left + width, Math.max(left, X(limit))), bottom = Math.min(top + height, Math.max(top, Y(floor)));
  pen.fillStyle = colour("sunk");
  pen.globalAlpha = .75;
  pen.fillRect(right, top, left + width - right, height);
  pen.fillRect(left, bottom, right - left, top + height - bottom);
  pen.globalAlpha = 1;
  pen.strokeStyle = colour("bad");
  pen.lineWidth = 1.5 * ratio;
  pen.setLineDash([5 * ratio, 4 * ratio]);
  for (const [a, b, c, d] of [[right, top, right, top + height], [left, bottom, left + width, bottom]]) {
    pen.beginPath();
    pen.moveTo(a, b);
    pen.lineTo(c, d);
    pen.stroke();
  }
  pen.setLineDash([]);

  const better = (one, other) => one.accuracy >= other.accuracy && one.row.p99_ms.value < other.row.p99_ms.value;
  const front = entries.filter((each) => each.fits && !entries.some((other) => other.fits && better(other, each)));
  pen.strokeStyle = colour("edge");
  pen.beginPath();
  front.forEach((each, place) => {
    const x = X(each.row.p99_ms.value), y = Y(each.accuracy);
    if (place) { pen.lineTo(x, Y(front[place - 1].accuracy)); pen.lineTo(x, y); } else pen.moveTo(x, y);
  });
  pen.stroke();

  pen.font = FONT.replace("12px", `${12 * ratio}px`);
  pen.textAlign = "left";
  pen.textBaseline = "alphabetic";
  // Names go where no mark, bar, limit or other name is, or as near to that as there is room.
  const taken = [[right - 2 * ratio, top, 4 * ratio, height], [left, bottom - 2 * ratio, width, 4 * ratio], ...entries.flatMap((each) => marks(each, X, Y, ratio))];
  for (const each of [...entries].sort((one, other) => Number(other.best) - Number(one.best))) {
    const x = X(each.row.p99_ms.value), y = Y(each.accuracy), ink = colour(each.colour);
    pen.globalAlpha = each.fits ? 1 : .45;
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineWidth = 1.5 * ratio;
    const [fast, slow] = spread(each);
    for (const [a, b, c, d] of [[X(fast), y, X(slow), y], [x, Y(each.low), x, Y(each.high)]]) {
      pen.beginPath();
      pen.moveTo(a, b);
      pen.lineTo(c, d);
      pen.stroke();
    }
    pen.beginPath();
    pen.arc(x, y, 6 * ratio, 0, 2 * Math.PI);
    if (!each.front) pen.fillStyle = colour("paper");
    pen.fill();
    pen.lineWidth = 2 * ratio;
    pen.stroke();
    if (each.best) {
      pen.beginPath();
      pen.arc(x, y, 11 * ratio, 0, 2 * Math.PI);
      pen.stroke();
    }
    label(pen, each, x, y, { left, top, width, height }, taken, ratio);
    pen.globalAlpha = 1;
  }
  pen.restore();
}

const spread = (each) => each.row.p99_ms.interval ?? [each.row.p99_ms.value, each.row.p99_ms.value];

/** What is drawn of a model, as boxes: its mark, with the ring around the best, and its bars. */
function marks(each, X, Y, ratio) {
  const x = X(each.row.p99_ms.value), y = Y(each.accuracy), [fast, slow] = spread(each).map(X), thick = 3 * ratio, wide = (each.best ? 12 : 7) * ratio;
  return [
    [x - wide, y - wide, 2 * wide, 2 * wide],
    [fast, y - thick / 2, slow - fast, thick],
    [x - thick / 2, Y(each.high), thick, Y(each.low) - Y(each.high)],
  ];
}

/** The area that two boxes share. */
function shared([a, b, c, d], [e, f, g, i]) {
  return Math.max(0, Math.min(a + c, e + g) - Math.max(a, e)) * Math.max(0, Math.min(b + d, f + i) - Math.max(b, f));
}

/** The name beside its point: right, left, above and below, a step further each time, where it covers least. */
function label(pen, each, x, y, box, taken, ratio) {
  const text = each.id, w = pen.measureText(text).width, tall = 15 * ratio;
  const steps = [10, 18, 28, 40, 54].map((step) => step * ratio);
  const spots = steps.flatMap((step) => [
    [x + step, y - step / 2 - tall], [x + step, y + step / 2], [x - step - w, y - step / 2 - tall], [x - step - w, y + step / 2],
    [x - w / 2, y - step - tall], [x - w / 2, y + step],
  ]);
  const inside = ([a, b]) => a > box.left && a + w < box.left + box.width && b > box.top && b + tall < box.top + box.height;
  const covers = ([a, b]) => taken.reduce((sum, other) => sum + shared([a, b, w, tall], other), 0);
  const [a, b] = spots.filter(inside).reduce((best, spot) => (!best || covers(spot) < covers(best) ? spot : best), null) ?? spots[0];
  taken.push([a, b, w, tall]);
  pen.fillStyle = colour("ink");
  pen.fillText(text, a, b + tall * .75);
}
