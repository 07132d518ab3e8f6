// The editor: blocks are dragged and sized by the mouse; everything else is the form's own work.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const COLUMNS = 12;
  let drag = null;

  function measure(grid) {
    const style = getComputedStyle(grid), box = grid.getBoundingClientRect();
    const gap = parseFloat(style.columnGap) || 0;
    const rows = style.gridTemplateRows.split(" ").map(parseFloat).filter((one) => one > 0);
    const tops = [];
    rows.reduce((top, height) => { tops.push(top); return top + height + gap; }, 0);
    return { box, gap, width: (box.width - gap * (COLUMNS - 1)) / COLUMNS, rows, tops };
  }
  // The row and column under a point; below the last row the rows go on as high as the lowest.
  function cell(grid, x, y) {
    const m = grid, column = Math.round((x - m.box.left) / (m.width + m.gap));
    const inside = y - m.box.top;
    let row = m.tops.findLastIndex((top) => inside >= top - m.gap);
    const last = m.tops.length - 1;
    if (row === last && last >= 0) row += Math.floor(Math.max(0, inside - m.tops[last]) / (m.rows[last] + m.gap));
    return [Math.max(0, Math.min(COLUMNS, column)), Math.max(0, row)];
  }

  function begin(event) {
    const tool = event.target.closest("[data-grip],[data-corner]");
    if (!tool || event.button) return;
    event.preventDefault();
    const handle = tool.closest("[data-handle]"), grid = handle.closest("[data-drag]");
    const at = handle.dataset.at.split(",").map(Number);
    const ghost = document.createElement("div");
    ghost.className = "ghost";
    grid.append(ghost);
    grid.classList.add("dragging");
    drag = { grid, handle, at, to: at, ghost, sizing: "corner" in tool.dataset, m: measure(grid), from: handle.getBoundingClientRect(), x: event.clientX, y: event.clientY };
    tool.setPointerCapture(event.pointerId);
    move(event);
  }
  function move(event) {
    if (!drag) return;
    const { m, at, from, sizing } = drag, dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    let box = { left: from.left + dx, top: from.top + dy, width: from.width, height: from.height };
    if (sizing) {
      box = { left: from.left, top: from.top, width: Math.max(40, from.width + dx), height: Math.max(40, from.height + dy) };
      const [column, row] = cell(m, box.left + box.width, box.top + box.height - 8);
      drag.to = [at[0], at[1], Math.max(1, Math.min(COLUMNS, column) - at[0]), Math.max(1, Math.min(12, row - at[1] + 1))];
    } else {
      const [column, row] = cell(m, box.left, box.top + 8);
      drag.to = [Math.min(column, COLUMNS - at[2]), row, at[2], at[3]];
    }
    const style = drag.ghost.style;
    style.left = `${box.left - m.box.left}px`; style.top = `${box.top - m.box.top}px`;
    style.width = `${box.width}px`; style.height = `${box.height}px`;
  }
  function end() {
    if (!drag) return;
    const { grid, handle, at, to, ghost } = drag;
    drag = null;
    ghost.remove();
    grid.classList.remove("dragging");
    if (to.join() === at.join()) return;
    const form = document.getElementById("editor");
    htmx.ajax("POST", form.getAttribute("hx-post"), { source: form, target: "#editor", select: "#editor", swap: "outerHTML", values: { deed: `place:${handle.dataset.handle}:${to.join()}` } });
  }
  document.addEventListener("pointerdown", begin);
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);

  for (const form of document.querySelectorAll("form[data-sure]")) form.addEventListener("submit", (event) => { if (!confirm(form.dataset.sure)) event.preventDefault(); });
  let dirty = false;
  document.body.addEventListener("htmx:afterSwap", () => { dirty = true; });
  document.body.addEventListener("htmx:beforeOnLoad", (event) => { if (event.detail.xhr.getResponseHeader("HX-Redirect")) dirty = false; });
  document.addEventListener("submit", () => { dirty = false; });
  addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
});
