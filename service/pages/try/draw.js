// The pen: strokes on black, as in the grey data sets, weighed while they are drawn. Works with the arrow keys as well.
import { $ } from "../shell/dom.js";

const WIDTH = 18, STEP = 10, EVERY_MS = 120;

/** Let people draw; `use` gets a PNG at most every EVERY_MS, and the last stroke always. `cleared` tells of an empty paper. */
export function drawing(use, cleared) {
  const paper = $("paper"), pen = paper.getContext("2d");
  let at = { x: paper.width / 2, y: paper.height / 2 }, down = false, timer = null, kind = "light";

  const clear = () => { pen.fillStyle = "#000"; pen.fillRect(0, 0, paper.width, paper.height); };
  const ink = () => ({ light: "#fff", dark: "#000", colour: $("pen-colour").value })[kind];
  const tell = () => { timer ??= setTimeout(() => { timer = null; paper.toBlob((blob) => use(blob), "image/png"); }, EVERY_MS); };
  const place = (event) => {
    const box = paper.getBoundingClientRect();
    return { x: (event.clientX - box.left) * paper.width / box.width, y: (event.clientY - box.top) * paper.height / box.height };
  };
  const line = (to) => {
    Object.assign(pen, { lineWidth: WIDTH, lineCap: "round", lineJoin: "round", strokeStyle: ink() });
    pen.beginPath();
    pen.moveTo(at.x, at.y);
    pen.lineTo(to.x + .01, to.y);
    pen.stroke();
    at = to;
    tell();
  };

  paper.addEventListener("pointerdown", (event) => {
    down = true;
    paper.setPointerCapture(event.pointerId);
    at = place(event);
    line(at);
  });
  paper.addEventListener("pointermove", (event) => {
    if (down) for (const each of event.getCoalescedEvents?.() ?? [event]) line(place(each));
  });
  for (const end of ["pointerup", "pointercancel"]) paper.addEventListener(end, () => { down = false; });
  paper.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!move) return;
    event.preventDefault();
    const to = { x: Math.min(paper.width, Math.max(0, at.x + move[0])), y: Math.min(paper.height, Math.max(0, at.y + move[1])) };
    if (event.shiftKey) line(to);
    else at = to;
  });
  $("pens").addEventListener("click", (event) => {
    if (!event.target.dataset.pen) return;
    kind = event.target.dataset.pen;
    for (const button of $("pens").querySelectorAll("[data-pen]")) button.setAttribute("aria-pressed", String(button === event.target));
    $("pen-colour").hidden = kind !== "colour";
  });
  $("clear").addEventListener("click", () => {
    clearTimeout(timer);
    timer = null;
    clear();
    cleared();
  });
  clear();
}
