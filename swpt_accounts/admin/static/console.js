// Buttons that copy ids and amounts as bare numbers.  Everything works without them.
"use strict";

const SHOWN_FOR_MILLISECONDS = 1200;

async function copy(button, text) {
  await navigator.clipboard.writeText(text);
  button.classList.add("done");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("done");
    button.setAttribute("aria-label", `Copy ${text}`);
  }, SHOWN_FOR_MILLISECONDS);
}

// Browsers offer the clipboard to pages of https and of this machine only.
if (navigator.clipboard) {
  for (const place of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    // In long tables the way by keyboard would be endless: there the link leads to a page that has the button.
    if (place.closest("table")) button.tabIndex = -1;
    button.setAttribute("aria-label", `Copy ${place.dataset.copy}`);
    button.addEventListener("click", () => copy(button, place.dataset.copy));
    place.append(button);
  }
}
