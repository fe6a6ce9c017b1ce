// uPlot, loaded when the first plot is drawn, in the colours of the page; redrawn when they or the width change.
import { h, styled } from "./dom.js";

const FOLDER = "/pages/vendor/uplot";
let loading = null;

function library() {
  loading ??= Promise.all([
    styled(`${FOLDER}/uPlot.css`),
    new Promise((resolve, reject) => document.head.append(h("script", { src: `${FOLDER}/uPlot.js`, onload: resolve, onerror: reject }))),
  ]);
  return loading;
}

/** The value of a colour of the style sheet now. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The colour of the model at a place of the list; eight, then again. */
export const modelColour = (place) => `m${place % 8}`;

export const FONT = '12px system-ui, -apple-system, "Segoe UI", sans-serif';

/**
 * Draw into `box`: `options()` gives uPlot's options without size, anew whenever colours change. Returns {update(data)}.
 * What is drawn must be told in words or a table as well; the canvas itself is hidden from screen readers.
 */
export async function plot(box, options, data, height = 240) {
  await library();
  let drawn = null, latest = data;
  const width = () => Math.max(200, Math.floor(box.clientWidth));
  const draw = () => {
    if (drawn && !drawn.root.isConnected) return;  // another one took its place, and what it showed may be gone
    drawn?.destroy();
    const made = options();
    drawn = new window.uPlot({
      legend: { show: false }, cursor: { show: false }, padding: [12, 22, 0, 4], ...made,
      axes: made.axes.map((axis) => ({
        stroke: colour("soft"), font: FONT, labelFont: FONT, labelSize: 22, labelGap: 2, size: axis.side === 3 || axis.side === 1 ? 46 : 28,
        grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, ...axis,
      })),
      width: width(), height,
    }, latest, box);
    drawn.root.setAttribute("aria-hidden", "true");
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => {
    if (box.clientWidth && Math.abs(width() - drawn.width) > 1) drawn.setSize({ width: width(), height });
  }).observe(box);
  return {
    update(next) { latest = next; drawn.setData(next); },
    redraw: draw,
  };
}
