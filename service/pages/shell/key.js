// The API key, where the server wants one: kept in this tab's sessionStorage, shown to nobody, asked for once at a time.
import { $ } from "./dom.js";

const STORED = "weighbridge-key";
let asking = null;

/** Nobody gave a key: the dialog was closed. Whoever shows this offers to ask again. */
export class KeyNeeded extends Error {
  constructor() {
    super("A key is needed.");
    this.cure = "This server answers only who has one.";
    this.again = "Enter a key";
  }
}

/** The key in use, or null. */
export const current = () => sessionStorage.getItem(STORED);

/** Resolves when there is another key than `refused`, which the server did not take; KeyNeeded where none is given. */
export function wanted(refused) {
  if (current() !== refused) return Promise.resolve();
  asking ??= question(refused).finally(() => { asking = null; });
  return asking;
}

function question(refused) {
  const dialog = $("key"), input = $("key-text");
  sessionStorage.removeItem(STORED);
  show();
  $("key-problem").textContent = refused ? "The server does not know this key." : "";
  input.value = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    // Escape closes the dialog as well, and then it returns nothing, whatever was typed.
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "given" ? input.value.trim() : "";
      dialog.returnValue = input.value = "";
      if (!given) { reject(new KeyNeeded()); return; }
      sessionStorage.setItem(STORED, given);
      show();
      resolve();
    }, { once: true });
  });
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
