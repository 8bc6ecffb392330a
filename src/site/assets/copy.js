"use strict";
// Adds a button to each block of text that is meant to be copied. Without this file the pages miss nothing else.
for (const block of document.querySelectorAll(".copied")) {
  const text = block.querySelector("pre");
  const button = document.createElement("button");
  button.type = "button";
  const name = " " + text.getAttribute("aria-label");
  const say = (word) => { button.textContent = word; button.setAttribute("aria-label", word + name); };
  say("Copy");
  button.addEventListener("click", async () => {
    let done = false;
    try {
      await navigator.clipboard.writeText(text.textContent);
      done = true;
    } catch {
      // Over plain HTTP a browser has no clipboard for pages: the selection has one.
      const range = document.createRange();
      range.selectNodeContents(text);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      done = document.execCommand("copy");
    }
    say(done ? "Copied" : "Press Ctrl+C");
    setTimeout(() => say("Copy"), 2000);
  });
  button.setAttribute("aria-live", "polite");
  block.prepend(button);
}
