// The API key, where the server wants one: kept in this tab's sessionStorage, shown to nobody, asked for once at a time.
import { $ } from "./dom.js";

const STORED = "weighbridge-key";
let asking = null;

/** The key in use, or null. */
export const current = () => sessionStorage.getItem(STORED);

/** Resolves when there is another key than `refused`, which the server did not take. */
export function wanted(refused) {
  if (current() !== refused) return Promise.resolve();
  asking ??= new Promise((resolve) => {
    sessionStorage.removeItem(STORED);
    show();
    const dialog = $("key"), input = $("key-text");
    $("key-problem").textContent = refused ? "The server does not know this key." : "";
    input.value = "";
    dialog.showModal();
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").addEventListener("submit", () => {
      sessionStorage.setItem(STORED, input.value.trim());
      input.value = "";
      asking = null;
      show();
      resolve();
    }, { once: true });
  });
  return asking;
}

/** Forget the key, and everything that was fetched with it. */
export function forget() {
  sessionStorage.removeItem(STORED);
  location.reload();
}

/** Offer to forget the key where there is one. */
export function show() {
  $("forget").hidden = current() === null;
}
