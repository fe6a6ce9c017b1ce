// The call that gets the same answer from elsewhere. A key is named, never shown.
import { current } from "../shell/key.js";
import { $ } from "../shell/dom.js";

const WRITE = {
  curl: (url, key) => [`curl -F image=@shoe.png${key ? " -H \"X-API-Key: $WEIGHBRIDGE_API_KEY\"" : ""} \\`, `  '${url}/predict?top_k=5'`].join("\n"),
  python: (url, key) => [
    ...(key ? ["import os", ""] : []),
    "from service.client import Client", "",
    `with Client("${url}"${key ? ", api_key=os.environ[\"WEIGHBRIDGE_API_KEY\"]" : ""}) as client:`,
    "    answer = client.predict(\"shoe.png\", top_k=5)",
    "    print(answer.predictions[0].label, answer.predictions[0].probability)",
  ].join("\n"),
};

/** Show the snippets, of the server this page came from. */
export function snippets() {
  const show = (kind) => {
    for (const button of $("snippet-kinds").children) button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    $("snippet").textContent = WRITE[kind](location.origin, current() !== null);
  };
  $("snippet-kinds").addEventListener("click", (event) => event.target.dataset.kind && show(event.target.dataset.kind));
  $("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText($("snippet").textContent);
      $("copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren($("snippet"));
      $("copy").textContent = "Selected";
    }
    setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
  });
  show("curl");
}
