// The console works without this. It counts the seconds that a card secret stays, takes the secret
// out of the page at the end (and when the page is left or comes back from the browser's cache), and
// lets "/" jump into the search box.
"use strict";

const secret = document.querySelector("[data-vanishes]");
if (secret) {
  const left = document.querySelector("[data-left]");
  const end = performance.now() + Number(secret.dataset.vanishes) * 1000;
  const gone = () => secret.replaceChildren();
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    if (left) left.textContent = String(seconds);
    if (seconds === 0) gone();
    else setTimeout(tick, 250);
  };
  addEventListener("pagehide", gone);
  addEventListener("pageshow", (event) => { if (event.persisted) gone(); });
  tick();
}

addEventListener("keydown", (event) => {
  const busy = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
  if (event.key !== "/" || busy || event.target.closest("input, textarea, select")) return;
  const box = document.getElementById("q");
  if (box) { event.preventDefault(); box.focus(); box.select(); }
});
