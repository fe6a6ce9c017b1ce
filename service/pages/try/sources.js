// Where an image comes from: a file that is dropped, pasted or chosen, the camera, or the pen (draw.js).
import { $ } from "../shell/dom.js";
import { drawing } from "./draw.js";

let stream = null;

/** Wire everything up; `use` gets each image. The answer shows a mode: file, draw or camera. */
export function sources(use) {
  const drop = $("drop");
  const take = (file) => file && use({ blob: file, name: file.name });
  $("file").addEventListener("change", (event) => take(event.target.files[0]));
  $("capture").querySelector("input").addEventListener("change", (event) => { show("file"); take(event.target.files[0]); });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => take(event.dataTransfer.files[0]));
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file && !$("part-try").hidden) { show("file"); take(file); }
  });
  drawing((blob) => use({ blob, name: "drawing.png", drawn: true }));
  $("shoot").addEventListener("click", async () => {
    const blob = await still();
    show("file");
    use({ blob, name: "photo.png" });
  });

  function show(mode) {
    for (const button of $("modes").children) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
      $(`mode-${button.dataset.mode}`).hidden = button.dataset.mode !== mode;
    }
    if (mode === "camera") open();
    else close();
  }
  $("modes").addEventListener("click", (event) => event.target.dataset.mode && show(event.target.dataset.mode));
  return show;
}

async function open() {
  $("camera-problem").textContent = "";
  try {
    if (!navigator.mediaDevices) throw new Error("A browser shows the camera only on https or localhost.");
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    $("video").srcObject = stream;
    await $("video").play();
    $("shoot").disabled = false;
  } catch (error) {
    $("camera-problem").textContent = error.name === "NotAllowedError" ? "The camera was not allowed."
      : error.name === "NotFoundError" ? "There is no camera here." : error.message;
    $("shoot").disabled = true;
    $("capture").hidden = false;
  }
}

function close() {
  $("shoot").disabled = true;
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  $("video").srcObject = null;
}

/** The middle square of what the camera sees. */
function still() {
  const video = $("video"), side = Math.min(video.videoWidth, video.videoHeight);
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  canvas.getContext("2d").drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, side, side);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
