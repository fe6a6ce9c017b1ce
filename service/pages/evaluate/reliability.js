// The reliability diagram: how often the model is right against how sure it is, with 95 % Wilson intervals, and below as
// grey bars how many images that are. Few images prove little, which the intervals show.
import { percent } from "../shell/format.js";
import { colour, plot } from "../shell/plot.js";

const Z = 1.96;

/** The Wilson interval of a share of `count`. */
function wilson(share, count) {
  const middle = share + Z * Z / (2 * count), half = Z * Math.sqrt(share * (1 - share) / count + (Z / (2 * count)) ** 2);
  return [middle - half, middle + half].map((value) => value / (1 + Z * Z / count));
}

/** Draw the bins that have images into `box`. */
export function reliability(box, bins) {
  const most = Math.max(...bins.map((bin) => bin.count));
  const options = () => ({
    scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1.02] } },
    series: [{}, { stroke: colour("accent"), width: 2, points: { show: true, size: 7, fill: colour("accent") } }],
    axes: [
      { side: 2, label: "how sure", values: (_, ticks) => ticks.map((tick) => percent(tick, 0)), splits: () => [0, .25, .5, .75, 1] },
      { side: 3, label: "how often right", values: (_, ticks) => ticks.map((tick) => percent(tick, 0)), splits: () => [0, .25, .5, .75, 1], size: 48 },
    ],
    hooks: { drawAxes: [(chart) => paint(chart, bins, most)] },
  });
  return plot(box, options, [bins.map((bin) => bin.confidence), bins.map((bin) => bin.accuracy)], 320);
}

function paint(chart, bins, most) {
  const pen = chart.ctx, X = (value) => chart.valToPos(value, "x", true), Y = (value) => chart.valToPos(value, "y", true);
  pen.save();
  pen.fillStyle = colour("sunk");
  for (const bin of bins) pen.fillRect(X(bin.low) + 1, Y(.3 * bin.count / most), X(bin.high) - X(bin.low) - 2, Y(0) - Y(.3 * bin.count / most));
  pen.strokeStyle = colour("accent");
  pen.lineWidth = devicePixelRatio;
  for (const bin of bins) {
    const [low, high] = wilson(bin.accuracy, bin.count);
    pen.beginPath();
    pen.moveTo(X(bin.confidence), Y(low));
    pen.lineTo(X(bin.confidence), Y(high));
    pen.stroke();
  }
  pen.strokeStyle = colour("edge");
  pen.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  pen.beginPath();
  pen.moveTo(X(0), Y(0));
  pen.lineTo(X(1), Y(1));
  pen.stroke();
  pen.restore();
}
