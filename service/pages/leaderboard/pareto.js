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
  const taken = [];
  for (const each of [...entries].sort((one, other) => Number(other.best) - Number(one.best))) {
    const x = X(each.row.p99_ms.value), y = Y(each.accuracy), ink = colour(each.colour);
    pen.globalAlpha = each.fits ? 1 : .45;
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineWidth = 1.5 * ratio;
    const [fast, slow] = each.row.p99_ms.interval ?? [each.row.p99_ms.value, each.row.p99_ms.value];
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

/** The name beside its point, where no other name is yet. */
function label(pen, each, x, y, box, taken, ratio) {
  const text = each.id, w = pen.measureText(text).width, tall = 15 * ratio, gap = 15 * ratio;
  const spots = [[gap, -7 * ratio], [gap, 18 * ratio], [-gap - w, -7 * ratio], [-gap - w, 18 * ratio], [-w / 2, -20 * ratio], [-w / 2, 30 * ratio], [gap, 38 * ratio], [gap, -27 * ratio]];
  const free = ([dx, dy]) => {
    const spot = [x + dx, y + dy - tall * .75, w, tall];
    const inside = spot[0] > box.left && spot[0] + w < box.left + box.width && spot[1] > box.top && spot[1] + tall < box.top + box.height;
    return inside && !taken.some(([a, b, c, d]) => spot[0] < a + c && a < spot[0] + w && spot[1] < b + d && b < spot[1] + tall);
  };
  const [dx, dy] = spots.find(free) ?? spots[0];
  taken.push([x + dx, y + dy - tall * .75, w, tall]);
  pen.fillStyle = colour("ink");
  pen.fillText(text, x + dx, y + dy);
}
