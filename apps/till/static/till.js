// What pages of the till can do without as well: the countdown of a terminal, one touch is one purchase, the reader.
"use strict";

// A second touch on the same button would be refused as the same purchase; it should not look like a new one.
addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  setTimeout(() => {
    for (const button of event.target.querySelectorAll("button")) button.disabled = true;
  });
});
// A page that comes back from the browser's memory has its buttons again.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// Readers of cards and barcodes type: what is typed outside of a field is for the reader's.
const scanner = document.querySelector("[data-scanner]");
if (scanner) {
  addEventListener("keydown", (event) => {
    const isTyped = event.key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey && event.key !== " ";
    if (isTyped && !document.activeElement.matches("input, select, textarea")) scanner.focus();
  });
}

// A terminal forgets who stood there after some seconds without a touch; the server does as well.
const leave = document.querySelector("[data-logout-seconds]");
if (leave) {
  const seconds = Number(leave.dataset.logoutSeconds);
  const countdown = leave.querySelector(".countdown");
  let end = performance.now() + 1000 * seconds;
  let told = performance.now();
  const stay = () => {
    end = performance.now() + 1000 * seconds;
    if (performance.now() - told > 1500) {
      told = performance.now();
      fetch(leave.dataset.stay).catch(() => {});
    }
  };
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) addEventListener(kind, stay, { passive: true });
  const tick = setInterval(() => {
    const left = Math.ceil((end - performance.now()) / 1000);
    countdown.textContent = left > 0 ? left : "";
    if (left > 0) return;
    clearInterval(tick);
    leave.requestSubmit();
  }, 250);
}
