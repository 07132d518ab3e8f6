// The review desk by keyboard: s same, d different, u unsure, z take back, j next, k previous.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const one = document.querySelector(`.desk [data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!one || one.disabled) return;
  event.preventDefault();
  one.click();
});
