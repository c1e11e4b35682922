// What pages can do without as well: buttons that copy ids and amounts as bare numbers, roles of tables.
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

// On phones each row of a table is a card, and then some browsers forget that it was a table.
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };

for (const table of document.querySelectorAll("table.rows")) {
  for (const part of [table, ...table.querySelectorAll("thead, tbody, tr, th, td")]) {
    part.setAttribute("role", ROLES[part.localName]);
  }
}

// The button beside this one: in the same row, or in the same column of another row that has one.
function neighbour(button, key) {
  const table = button.closest("table");
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const buttons = [...table.querySelectorAll(".copy")];
    return buttons[buttons.indexOf(button) + (key === "ArrowRight" ? 1 : -1)];
  }
  const column = button.closest("td").cellIndex;
  const buttons = [...table.rows].map((row) => row.cells[column]?.querySelector(".copy")).filter(Boolean);
  const place = buttons.findIndex((other) => other.closest("td") === button.closest("td"));
  return buttons[place + (key === "ArrowDown" ? 1 : -1)];
}

// A table is one stop on the way by keyboard, however many numbers it has; from there the arrow keys go on.
function rove(event) {
  if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
  event.preventDefault();
  const next = neighbour(event.target, event.key);
  if (!next) return;
  for (const button of next.closest("table").querySelectorAll(".copy")) button.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// Browsers offer the clipboard to pages of https and of this machine only.
if (navigator.clipboard) {
  for (const place of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    const table = place.closest("table");
    if (table) {
      if (table.querySelector(".copy")) button.tabIndex = -1;
      button.title = "The arrow keys go to the other buttons of the table";
      button.addEventListener("keydown", rove);
    }
    button.setAttribute("aria-label", `Copy ${place.dataset.copy}`);
    button.addEventListener("click", () => copy(button, place.dataset.copy));
    place.append(button);
  }
}
