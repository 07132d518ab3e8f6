// Ask a lamp to dim; the ledger below shows how far the command has come.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("dim");
  if (!form) return;
  const level = document.getElementById("level");
  const out = document.getElementById("level-out");
  level.addEventListener("input", () => { out.textContent = level.value + " %"; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await window.pintu.send("POST", "/api/v1/commands", { name: form.dataset.command, target: form.dataset.target, arguments: { level: Number(level.value) }, key: crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) + Date.now() });
      window.pintu.tell("command", {});
    } catch (error) {
      window.pintu.say(document.getElementById("notice").dataset.failed + ": " + error.message);
    } finally {
      button.disabled = false;
    }
  });
});
