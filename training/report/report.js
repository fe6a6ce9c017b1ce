// Draws a figure when it comes into view or its section is opened, in the colours of the reader's theme.
"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const drawn = new Set();

function themed(value, style) {
  if (typeof value === "string") {
    const name = /^var\((--[\w-]+)\)$/.exec(value);
    return name ? style.getPropertyValue(name[1]).trim() : value;
  }
  if (Array.isArray(value)) return value.map((entry) => themed(entry, style));
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, themed(entry, style)]));
  return value;
}

function draw(place) {
  drawn.add(place);
  const { data, layout } = themed(figures[place.id], getComputedStyle(document.documentElement));
  Plotly.react(place, data, layout, { displaylogo: false, responsive: true, displayModeBar: false });
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting && !drawn.has(target)) draw(target);
}, { rootMargin: "400px" });
for (const id of Object.keys(figures)) seen.observe(document.getElementById(id));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
addEventListener("beforeprint", () => Object.keys(figures).forEach((id) => draw(document.getElementById(id))));

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (const part of target?.querySelectorAll(":scope > details") ?? []) part.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
