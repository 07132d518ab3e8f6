// A page without code: draws charts and maps from the data beside them, asks for blocks again.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const root = getComputedStyle(document.documentElement);
  const colour = (name) => root.getPropertyValue("--" + name).trim();
  const lang = document.documentElement.lang, tz = document.body.dataset.tz;
  const format = (parts) => new Intl.DateTimeFormat(lang, { timeZone: tz, hour12: false, ...parts });
  const exact = format({ month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  const hour = format({ hour: "2-digit", minute: "2-digit" }), day = format({ month: "2-digit", day: "2-digit" });
  const dark = root.colorScheme.includes("dark");
  // lines that can be told apart without their colour too: each has its own dash and symbol
  const LINES = (dark ? ["#7db4f0", "#e0b44c", "#6fcf97", "#c79bf2", "#f2a38a", "#7fd6d6"] : ["#1a5fb4", "#9a6700", "#1c7c4a", "#6f42c1", "#a8452b", "#0b7285"]);
  const DASHES = ["solid", "dashed", "dotted"], SYMBOLS = ["circle", "rect", "triangle", "diamond"];
  const charts = new Map();
  const rem = parseFloat(root.fontSize), small = Math.round(rem * .8);  // a wall's letters are larger
  const told = (block, what) => JSON.parse(block.querySelector(`script[data-for="${what}"]`).textContent);

  const levelOf = (levels, value) => value === null ? null : levels.find((one) => one.high === null || value <= one.high);

  function seriesOf(chart, one, i) {
    const bar = chart.mark === "bar", scatter = chart.mark === "scatter";
    const paint = (value) => { const level = levelOf(chart.levels, Array.isArray(value) ? value[1] : value); return level ? { itemStyle: { color: level.colour, borderColor: colour("soft"), borderWidth: 1 } } : {}; };
    const coloured = chart.levels.length && (bar || scatter);
    return {
      name: one.name, type: bar ? "bar" : scatter ? "scatter" : "line", connectNulls: false,
      data: coloured ? one.data.map((value) => ({ value, ...paint(value) })) : one.data,
      symbol: SYMBOLS[i % SYMBOLS.length], symbolSize: rem * (scatter ? .55 : .4), showSymbol: scatter || one.data.length < 60,
      itemStyle: { color: LINES[i % LINES.length] }, lineStyle: { width: rem / 8, type: DASHES[Math.floor(i / LINES.length) % DASHES.length] },
      areaStyle: chart.mark === "area" ? { opacity: .18 } : undefined, barMaxWidth: rem * 2.5,
      markLine: i === 0 && !bar && chart.levels.length ? { silent: true, symbol: "none", label: { formatter: "{b}", color: colour("soft"), fontSize: small, position: "insideEndTop" }, data: bounds(chart) } : undefined,
    };
  }

  // Bounds of levels that lie among the values, as thin lines with their names.
  function bounds(chart) {
    const values = chart.series.flatMap((one) => one.data.map((value) => Array.isArray(value) ? value[1] : value)).filter((value) => value !== null);
    const most = Math.max(...values);
    return chart.levels.filter((one) => one.high !== null && one.high < most).map((one) => ({ yAxis: one.high, name: one.name, lineStyle: { color: one.colour, type: "solid", width: 2 } }));
  }

  function optionsOf(chart) {
    const first = chart.moments ? chart.series[0].data : [];
    const wide = first.length ? first[first.length - 1][0] - first[0][0] : 0;
    const many = chart.series.length > 1;
    const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 2 });
    return {
      animation: false, grid: { left: 8, right: 20, top: (many ? 3.5 : 1.9) * rem, bottom: 8, containLabel: true },
      textStyle: { fontFamily: "Noto Sans SC Variable, sans-serif", color: colour("text"), fontSize: small },
      legend: many ? { type: "scroll", top: 0, left: 0, right: 0, textStyle: { color: colour("text"), fontSize: small }, pageTextStyle: { color: colour("text") } } : undefined,
      tooltip: { trigger: "axis", renderMode: "richText", confine: true, formatter: (all) => [chart.moments ? exact.format(all[0].value[0]) : all[0].name, ...all.map((p) => { const value = Array.isArray(p.value) ? p.value[1] : p.value; const level = chart.levels.length ? levelOf(chart.levels, value ?? null) : null; return `${p.seriesName}: ${value === null || value === undefined ? "–" : number.format(value)} ${chart.unit}${level ? " · " + level.name : ""}`; })].join("\n") },
      xAxis: chart.moments
        ? { type: "time", axisLabel: { color: colour("soft"), fontSize: small, hideOverlap: true, formatter: (at) => (wide > 172800000 ? day : hour).format(at) }, axisLine: { lineStyle: { color: colour("line") } } }
        : { type: "category", data: chart.along, axisLabel: { color: colour("soft"), fontSize: small, hideOverlap: true }, axisLine: { lineStyle: { color: colour("line") } } },
      yAxis: { type: "value", name: chart.unit, scale: chart.mark !== "bar" && chart.mark !== "area", nameTextStyle: { color: colour("soft"), fontSize: small, align: "left" }, axisLabel: { color: colour("soft"), fontSize: small }, splitLine: { lineStyle: { color: colour("line") } } },
      series: chart.series.map((one, i) => seriesOf(chart, one, i)),
    };
  }

  function drawChart(block) {
    const box = block.querySelector("[data-chart]");
    const chart = echarts.init(box, null, { renderer: "canvas" });
    chart.setOption(optionsOf(told(block, "chart")));
    charts.set(box, chart);
    box.dataset.drawn = "1";
  }

  const MOST = 10000;
  const views = new Map();  // block → where somebody left its map, so that new data do not move it
  function drawMap(block) {
    const box = block.querySelector("[data-map]"), { points, levels } = told(block, "map");
    const byValue = Object.fromEntries(levels.map((one) => [one.value, one]));
    const lons = points.map((one) => one.at[0]), lats = points.map((one) => one.at[1]);
    const bounds = [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
    maplibregl.setWorkerUrl(new URL(box.dataset.worker, location.href).href);
    const style = window.pintuStyle.style();
    const features = points.slice(0, MOST).map((one, i) => ({ type: "Feature", id: i, properties: { c: byValue[one.level] ? byValue[one.level].colour : colour("blue"), s: byValue[one.level] ? byValue[one.level].sign : "", n: one.name }, geometry: { type: "Point", coordinates: one.at } }));
    style.sources.points = { type: "geojson", data: { type: "FeatureCollection", features } };
    style.layers.push(
      { id: "points", type: "circle", source: "points", paint: { "circle-color": ["get", "c"], "circle-stroke-color": colour("text"), "circle-stroke-width": 1, "circle-radius": ["interpolate", ["linear"], ["zoom"], 8, (points.length > 1000 ? .15 : .32) * rem, 13, (points.length > 1000 ? .32 : .55) * rem, 17, .75 * rem] } },
      { id: "point-names", type: "symbol", source: "points", minzoom: points.length > 60 ? 13 : 0, layout: { "text-field": ["concat", ["get", "s"], ["case", ["==", ["get", "s"], ""], "", " "], ["get", "n"]], "text-font": ["Noto Sans SC Variable"], "text-size": rem * .8, "text-anchor": "top", "text-offset": [0, .7], "text-optional": true }, paint: { "text-color": colour("text"), "text-halo-color": colour("ground"), "text-halo-width": 1.6 } },
    );
    let map;
    try {
      map = new maplibregl.Map({
        container: box, style, attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false, cooperativeGestures: false,
        ...(views.get(block.id) || { bounds, fitBoundsOptions: { padding: 40, maxZoom: 14 } }), maxZoom: 19, fadeDuration: 0, localIdeographFontFamily: '"Noto Sans SC Variable", sans-serif',
        locale: { "NavigationControl.ZoomIn": box.dataset.zoomIn, "NavigationControl.ZoomOut": box.dataset.zoomOut, "Map.Title": box.dataset.label },
      });
    } catch (error) {
      const note = document.createElement("p");
      note.textContent = box.dataset.noGl;
      box.append(note);
      box.dataset.drawn = "1";
      charts.set(box, { resize() {}, dispose() {} });
      return;
    }
    map.scrollZoom.disable();
    map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    map.once("style.load", async () => {
      const under = await fetch("/api/v1/map/base").then((answer) => answer.ok ? answer.json() : { features: [] }).catch(() => ({ features: [] }));
      if (under.features && under.features.length) map.getSource("base").setData(under);
      else map.getSource("graticule").setData(window.pintuStyle.graticule([...bounds[0], ...bounds[1]]));
      map.once("idle", () => { box.dataset.drawn = "1"; });
    });
    map.on("click", "points", (event) => {
      const one = points[event.features[0].id];
      const card = document.createElement("div");
      for (const [i, text] of [one.name, ...one.said].entries()) { const line = document.createElement(i ? "p" : "strong"); line.textContent = text; card.append(line); }
      if (byValue[one.level]) { const line = document.createElement("p"); line.textContent = `${byValue[one.level].sign} ${byValue[one.level].name}`; card.append(line); }
      if (one.id) { const link = document.createElement("a"); link.href = "/entities/" + encodeURIComponent(one.id); link.textContent = box.dataset.open; card.append(link); }
      new maplibregl.Popup({ closeButton: false, maxWidth: "18rem" }).setLngLat(one.at).setDOMContent(card).addTo(map);
    });
    map.on("mouseenter", "points", () => map.getCanvas().classList.add("pointing"));
    map.on("mouseleave", "points", () => map.getCanvas().classList.remove("pointing"));
    map.on("moveend", (event) => { if (event.originalEvent) views.set(block.id, { center: map.getCenter(), zoom: map.getZoom() }); });
    charts.set(box, { resize: () => map.resize(), dispose: () => map.remove(), map });
  }

  function draw(within) {
    const blocks = within.matches && within.matches(".block") ? [within] : within.querySelectorAll(".block");
    for (const block of blocks) {
      const chart = block.querySelector("[data-chart]"), map = block.querySelector("[data-map]");
      if (chart && !charts.has(chart)) drawChart(block);
      if (map && !charts.has(map)) drawMap(block);
    }
  }
  function letGo() {
    for (const [box, chart] of charts) if (!box.isConnected) { chart.dispose(); charts.delete(box); }
  }

  // A map somebody moves stays where it is: its block is asked for again only while nobody is at it.
  const busy = (block) => block.matches(":hover") && block.classList.contains("kind-map") || block.contains(document.activeElement) && document.activeElement !== document.body;
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => { for (const one of entries) if (one.isIntersecting) seen.add(one.target); else seen.delete(one.target); });
  const follow = () => { for (const block of document.querySelectorAll(".block[hx-get]")) watch.observe(block); };
  function tick() {
    if (document.hidden) return;
    for (const block of [...seen]) {
      if (!block.isConnected) { seen.delete(block); continue; }
      if (!busy(block)) htmx.trigger(block, "tick");
    }
  }

  document.body.addEventListener("htmx:afterSwap", (event) => { letGo(); draw(event.detail.elt.closest ? event.detail.elt : document); draw(document); follow(); });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    // nothing new: what is shown was just confirmed
    if (event.detail.xhr && event.detail.xhr.status === 204) for (const mark of event.detail.elt.querySelectorAll("[data-as-of]")) mark.dateTime = new Date().toISOString();
  });
  addEventListener("resize", () => { for (const chart of charts.values()) chart.resize(); });
  addEventListener("beforeprint", () => { for (const chart of charts.values()) chart.resize(); });
  for (const details of document.querySelectorAll(".as-table")) details.addEventListener("toggle", () => { for (const chart of charts.values()) chart.resize(); });

  const board = document.querySelector("article.board");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-share],[data-print],[data-full]");
    if (!button) return;
    if ("print" in button.dataset) window.print();
    else if ("full" in button.dataset) { if (document.fullscreenElement) document.exitFullscreen(); else board.requestFullscreen(); }
    else {
      try { await navigator.clipboard.writeText(location.href); } catch (error) { window.prompt(button.textContent, location.href); return; }
      window.pintu.say(button.dataset.done);
    }
  });
  document.addEventListener("fullscreenchange", () => { for (const chart of charts.values()) chart.resize(); });

  window.pintu.board = { charts, tick, draw };
  document.fonts.ready.then(() => { draw(document); follow(); document.body.dataset.board = "ready"; });
  setInterval(tick, 10000);
});
