// An attribute's past as a line; where nothing came the line is broken.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("chart");
  const attribute = document.getElementById("attribute");
  const hours = document.getElementById("hours");
  const note = document.getElementById("chart-note");
  const root = getComputedStyle(document.documentElement);
  const colour = (name) => root.getPropertyValue("--" + name).trim();
  const chart = echarts.init(box, null, { renderer: "canvas" });
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: box.dataset.tz, month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const short = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: box.dataset.tz, hour: "2-digit", minute: "2-digit", hour12: false });
  const exact = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: box.dataset.tz, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: box.dataset.tz, month: "2-digit", day: "2-digit" });
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", box.dataset.label);

  function options(points, unit, stepped) {
    const wide = points.length ? points[points.length - 1][0] - points[0][0] : 0;
    // seconds only where somebody looks at the last hour and it holds minutes
    const fine = wide < 300000 && Number(hours.value) <= 1;
    const label = wide > 172800000 ? day : fine ? exact : short;
    return {
      animation: false, grid: { left: 8, right: 16, top: 28, bottom: 8, containLabel: true },
      textStyle: { fontFamily: "Noto Sans SC Variable, sans-serif", color: colour("text") },
      tooltip: { trigger: "axis", renderMode: "richText", formatter: (p) => `${clock.format(p[0].value[0])}\n${p[0].value[1] ?? "–"} ${unit}` },
      xAxis: { type: "time", minInterval: fine ? 1000 : 60000, axisLabel: { color: colour("soft"), hideOverlap: true, formatter: (at) => label.format(at) }, axisLine: { lineStyle: { color: colour("line") } } },
      yAxis: { type: "value", name: unit, scale: true, nameTextStyle: { color: colour("soft") }, axisLabel: { color: colour("soft") }, splitLine: { lineStyle: { color: colour("line") } } },
      series: [{ type: "line", data: points, connectNulls: false, step: stepped ? "end" : false, symbolSize: 5, showSymbol: points.length < 80, lineStyle: { color: colour("blue"), width: 2 }, itemStyle: { color: colour("blue") } }],
    };
  }

  async function draw() {
    const query = new URLSearchParams({ id: box.dataset.id, attribute: attribute.value, hours: hours.value });
    const answer = await fetch("/api/v1/history?" + query);
    if (!answer.ok) { note.textContent = box.dataset.failed; return; }
    const told = await answer.json();
    const points = told.times.map((at, i) => [at, typeof told.values[i] === "boolean" ? Number(told.values[i]) : told.values[i]]);
    const count = points.filter((one) => one[1] !== null).length;
    note.textContent = count === 1 ? note.dataset.one : count ? note.dataset.note.replace("{n}", count) : box.dataset.empty;
    chart.setOption(options(points, attribute.selectedOptions[0].dataset.unit, told.values.some((one) => typeof one === "boolean")), true);
    box.dataset.points = String(count);
  }
  attribute.addEventListener("change", draw);
  hours.addEventListener("change", draw);
  addEventListener("resize", () => chart.resize());
  let due = 0;
  document.body.addEventListener("pintu:entity", (event) => {
    if (!due && event.detail.changed.includes(attribute.value)) due = setTimeout(() => { due = 0; draw(); }, 3000);
  });
  document.fonts.ready.then(draw);
});
