// Corners of an area: clicked on the drawing, typed in the field; each follows the other.
"use strict";
for (const box of document.querySelectorAll("[data-draw]")) {
  const field = document.querySelector(`[name="${box.dataset.draw}"]`);
  const drawing = box.querySelector("svg");
  const zone = drawing.querySelector(".zone");
  const [west, south, east, north] = drawing.dataset.bounds.split(" ").map(Number);
  const { width, height } = drawing.viewBox.baseVal;

  const corners = () => field.value.split(/\s+/).filter(Boolean)
    .map((one) => one.replace("，", ",").split(",").map(Number))
    .filter((one) => one.length === 2 && one.every(Number.isFinite));

  const draw = () => {
    const points = corners().map(([lat, lon]) => {
      const x = (lon - west) / (east - west) * width;
      const y = (north - lat) / (north - south) * height;
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const dots = points.map((one) => `M${one}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0`);
    zone.setAttribute("d", dots.join("") + (points.length ? `M${points.join("L")}Z` : ""));
  };

  const keep = (points) => {
    field.value = points.map(([lat, lon]) => `${+lat.toFixed(5)},${+lon.toFixed(5)}`).join(" ");
    draw();
  };

  drawing.addEventListener("click", (event) => {
    const frame = drawing.getScreenCTM();
    const x = (event.clientX - frame.e) / frame.a;
    const y = (event.clientY - frame.f) / frame.d;
    keep([...corners(), [north - y / height * (north - south), west + x / width * (east - west)]]);
  });
  box.querySelector("[data-last]").addEventListener("click", () => keep(corners().slice(0, -1)));
  box.querySelector("[data-none]").addEventListener("click", () => keep([]));
  field.addEventListener("input", draw);
  draw();
}
