// Lists the models and sends one image to each of them, in turn, so that they do not slow each other down.
const $ = (id) => document.getElementById(id);
const element = (tag, text = "", kind = "") => Object.assign(document.createElement(tag), { textContent: text, className: kind });
const number = (value) => value === undefined ? "" : value.toLocaleString("en");
let models = [];

async function list() {
  const found = await (await fetch("/models")).json();
  models = found.models.filter((model) => model.ready).map((model) => `${model.name}@${model.version}`);
  $("models").replaceChildren(...found.models.map((model) => {
    const row = element("tr"), card = model.card, score = card?.score;
    const name = element("td"), link = element("a", `${model.name}@${model.version}`);
    link.href = `/models/${model.name}@${model.version}`;
    name.append(link, model.default ? element("span", "  default", "soft") : "");
    row.append(
      name,
      element("td", card ? `${card.input.height} × ${card.input.width} × ${card.input.channels}` : ""),
      element("td", number(card?.parameters), "number"),
      element("td", model.size_bytes ? `${number(Math.round(model.size_bytes / 1024))} KiB` : "", "number"),
      element("td", score ? `${(100 * score.accuracy).toFixed(2)} % (${(100 * score.low).toFixed(2)}–${(100 * score.high).toFixed(2)})` : "not measured"),
      element("td", model.ready ? "ready" : model.reason, model.ready ? "" : "bad"),
    );
    return row;
  }));
}

function bar(choice) {
  const line = element("div", "", "bar"), meter = element("meter");
  meter.value = choice.probability;
  line.append(element("span", choice.label), element("span", `${(100 * choice.probability).toFixed(1)} %`), meter);
  return line;
}

async function weigh(file) {
  const picture = element("img");
  picture.alt = "the image";
  picture.src = URL.createObjectURL(file);
  $("drop").querySelector("img")?.remove();
  $("drop").prepend(picture);
  $("weighed").replaceChildren();
  for (const model of models) {
    const answer = await fetch(`/predict?model=${encodeURIComponent(model)}`, { method: "POST", body: file, headers: { "Content-Type": file.type || "image/png" } });
    const body = await answer.json(), article = element("article");
    article.append(element("h3", model));
    if (answer.ok) {
      const found = body.predictions[0];
      article.append(...found.top.map(bar));
      if (found.resized) article.append(element("p", `scaled from ${found.original_size.width} × ${found.original_size.height}`, "soft"));
      article.append(element("p", answer.headers.get("Server-Timing").replaceAll(";dur=", " ").replaceAll(",", " ·") + " ms", "soft"));
    } else {
      article.append(element("p", body.detail, "bad"), element("p", body.cure ?? "", "soft"));
    }
    $("weighed").append(article);
  }
}

async function offer() {
  const split = (await (await fetch("/splits")).json()).splits[0];
  for (let place = 0; split && place < Math.min(12, split.count); place++) {
    const button = element("button"), picture = element("img");
    picture.src = `/splits/${split.name}/images/${place}.png`;
    picture.alt = button.title = `image ${place} of ${split.name}`;
    button.append(picture);
    button.addEventListener("click", async () => weigh(await (await fetch(picture.src)).blob()));
    $("samples").append(button);
  }
}

const drop = $("drop"), input = drop.querySelector("input");
input.addEventListener("change", () => input.files[0] && weigh(input.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.toggle("over", kind === "dragover"); });
}
drop.addEventListener("drop", (event) => event.dataTransfer.files[0] && weigh(event.dataTransfer.files[0]));
document.addEventListener("paste", (event) => event.clipboardData.files[0] && weigh(event.clipboardData.files[0]));
list();
offer();
