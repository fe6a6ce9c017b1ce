// Where an image comes from: a file that is dropped, pasted or chosen, the camera, or the pen (draw.js).
import { $ } from "../shell/dom.js";
import { drawing } from "./draw.js";

let stream = null;

/** Wire everything up; `use` gets each image, `forget` is for when it is gone. The answer shows a mode: file, draw or camera. */
export function sources(use, forget) {
  const drop = $("drop");
  const take = ([file, ...others]) => {
    $("drop-told").textContent = others.length ? `One of ${others.length + 1} was taken, ${file.name}: it is one image at a time.` : "";
    if (file) use({ blob: file, name: file.name });
  };
  for (const input of [$("file"), $("capture").querySelector("input")]) {
    input.addEventListener("change", () => {
      show("file");
      take(input.files);
      input.value = "";  // else the same file again would be no change
    });
  }
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, () => drop.classList.toggle("over", kind === "dragover"));
    document.addEventListener(kind, (event) => {  // a file beside the box would leave the page
      if (event.target.type !== "file") event.preventDefault();
    });
  }
  drop.addEventListener("drop", (event) => take(event.dataTransfer.files));
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files].filter((each) => each.type.startsWith("image/"));
    if (files.length && !$("part-try").hidden) { show("file"); take(files); }
  });
  drawing((blob) => use({ blob, name: "drawing.png", drawn: true }), forget);
  $("shoot").addEventListener("click", async () => {
    const blob = await still();
    show("file");
    use({ blob, name: "photo.png" });
  });

  function show(mode) {
    $("drop-told").textContent = "";
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
