// Where a model looked: the probability that each covered place takes from the answer, laid over what the network saw.
import { ask } from "../shell/api.js";
import { h, trouble } from "../shell/dom.js";
import { percent } from "../shell/format.js";

/** A button that asks for it and is replaced by the picture. `body()` gives the request's options. */
export function look(entry, body) {
  const button = h("button", { class: "look" }, "Where did it look?");
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "Covering places…";
    // A disabled button loses the focus, and the page would begin anew for who uses the keyboard; what came of it gets it.
    const replace = (made) => {
      const mine = [document.body, button].includes(document.activeElement);
      button.replaceWith(made);
      made.tabIndex = -1;
      if (mine) made.focus({ preventScroll: true });
    };
    try {
      const model = encodeURIComponent(entry.id);
      const found = await patiently(() => ask(`/predict/saliency?model=${model}`, body()));
      const seen = await (await ask(`/predict/input?model=${model}`, body())).json();
      replace(await draw(found, seen.image));
    } catch (error) {
      replace(trouble(error));
    }
  });
  return button;
}

/** The server computes one at a time: when it is busy, wait as long as it says. */
async function patiently(request) {
  for (let tries = 0; ; tries++) {
    try {
      return await (await request()).json();
    } catch (error) {
      if (error.slug !== "overloaded" || tries === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter ?? 1)));
    }
  }
}

/** What is taken from each pixel: the mean over all patches that cover it. */
export function perPixel({ height, width, patch, rows, columns, drops }) {
  const sums = new Float64Array(height * width), times = new Uint16Array(height * width);
  rows.forEach((row, i) => columns.forEach((column, j) => {
    for (let y = row; y < row + patch[0]; y++) {
      for (let x = column; x < column + patch[1]; x++) {
        sums[y * width + x] += drops[i][j];
        times[y * width + x] += 1;
      }
    }
  }));
  return sums.map((sum, place) => times[place] ? sum / times[place] : 0);
}

async function draw(found, url) {
  const heat = perPixel(found), most = Math.max(...heat, 1e-9), worst = Math.max(...found.drops.flat());
  const canvas = h("canvas", { width: found.width, height: found.height, role: "img",
    "aria-label": `Places whose covering lowers the probability of ${found.label}, orange over the image` });
  const pen = canvas.getContext("2d"), image = new Image();
  image.src = url;
  await image.decode();
  pen.drawImage(image, 0, 0);
  const pixels = pen.getImageData(0, 0, found.width, found.height), data = pixels.data;
  heat.forEach((value, place) => {
    const share = Math.max(0, value) / most, grey = (data[4 * place] + data[4 * place + 1] + data[4 * place + 2]) / 3;
    [255, 130, 20].forEach((light, channel) => {
      data[4 * place + channel] = (1 - share) * (.25 * grey + .45 * data[4 * place + channel]) + share * (.75 * light + .25 * grey);
    });
  });
  pen.putImageData(pixels, 0, 0);
  const words = worst < .0005
    ? `No covered place changes ${percent(found.probability, 1)} by even 0.1 points: the model does not depend on any one of them.`
    : `Orange is where covering takes most. The worst place lowers ${found.label} from ${percent(found.probability, 1)} to ${percent(Math.max(0, found.probability - worst), 1)}.`;
  return h("div", { class: "where" }, canvas, h("span", {}, words, h("br"), `${found.patch.join(" × ")} patch, ${found.runs} runs`));
}
