// Numbers as people read them.

export const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;
export const range = (low, high, digits = 2) => `${(100 * low).toFixed(digits)} – ${(100 * high).toFixed(digits)}`;
export const whole = (value) => Math.round(value).toLocaleString("en");

/** Three significant digits, without an exponent. */
export function short(value) {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", { maximumFractionDigits: Math.min(6, digits), minimumFractionDigits: 0 });
}

export const ms = (value) => `${short(value)} ms`;

export function bytes(count) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (count >= size) return `${short(count / size)} ${unit}`;
  return `${count} B`;
}

export function when(seconds) {
  return new Date(1000 * seconds).toLocaleString("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** "2 models", "1 model". */
export const count = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;

/** The server's details and cures begin small and end without a full stop; a name at the beginning stays as it is. */
export function sentence(text) {
  const begun = /^[a-z]+[ ,]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
