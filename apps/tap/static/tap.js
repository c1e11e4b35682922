// The page of taps keeps itself up to date; without this it has a link to load it again.
"use strict";

const EVERY_MILLISECONDS = 1000;
const place = document.getElementById("live");
const bar = document.querySelector(".live");
const button = bar.querySelector("button");
const told = bar.querySelector("[role=status]");
let isPaused = false;
let latest = null;

function say(sentence) {
  if (told.textContent !== sentence) told.textContent = sentence;
}

async function look() {
  const answer = await fetch(place.dataset.source, { headers: { Accept: "text/html" }, redirect: "manual" });
  // The visit has ended: the page itself leads to the login.
  if (answer.type === "opaqueredirect") return location.reload();
  if (!answer.ok) throw new Error(String(answer.status));
  const text = await answer.text();
  if (isPaused) return;
  // The browser writes the same otherwise than it came, so what came is compared with what came.
  if (text !== latest) place.innerHTML = latest = text;
  say("");
}

async function go() {
  // Nobody looks at a page that is hidden.
  if (!isPaused && !document.hidden) {
    try {
      await look();
    } catch {
      say("Nobody answers at this moment; what is shown may be old.");
    }
  }
  setTimeout(go, EVERY_MILLISECONDS);
}

button.addEventListener("click", () => {
  isPaused = !isPaused;
  button.setAttribute("aria-pressed", String(isPaused));
  say(isPaused ? "Paused: what is shown does not change." : "");
});
bar.hidden = false;
go();
