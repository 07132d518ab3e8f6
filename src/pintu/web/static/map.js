// The city map: points or cells from /api/v1/map/lamps, then what changes, as it changes.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("map");
  const state = document.getElementById("map-state");
  const { looks, signed } = window.pintuStyle;
  const given = JSON.parse(box.dataset.bounds);
  const chosen = JSON.parse(box.dataset.thing);
  const why = Object.fromEntries(new URLSearchParams(box.dataset.why)); // the agreement it is under, if any
  const bounds = given || [120.0, 30.0, 120.4, 30.4];
  const seen = { mode: "", prefix: "", rows: new Map(), signs: new Map(), epoch: "", box: null, zoom: 0, stream: null, changes: 0, latencies: [], applied: 0 };
  window.pintu.map = seen;

  looks.forEach((look, i) => {
    const sign = document.querySelector(`[data-look="${i}"] svg`);
    for (const name of ["fill", "stroke"]) sign.setAttribute(name, look.shown);
  });
  maplibregl.setWorkerUrl(new URL(box.dataset.worker, location.href).href);
  let map;
  try {
    map = new maplibregl.Map({
      container: box, style: window.pintuStyle.style(), attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
      bounds: [[bounds[0], bounds[1]], [bounds[2], bounds[3]]], fitBoundsOptions: { padding: 30 }, maxZoom: 20, fadeDuration: 0,
      localIdeographFontFamily: '"Noto Sans SC Variable", sans-serif',
      locale: { "NavigationControl.ZoomIn": box.dataset.zoomIn, "NavigationControl.ZoomOut": box.dataset.zoomOut, "NavigationControl.ResetBearing": box.dataset.north, "Map.Title": box.dataset.label },
    });
  } catch (error) {
    state.textContent = box.dataset.noGl;
    return;
  }
  seen.gl = map;
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl({ maxWidth: 120 }), "bottom-right");
  map.touchZoomRotate.disableRotation();
  const styled = new Promise((done) => { if (map.isStyleLoaded()) done(); else map.once("style.load", done); });
  const first = fetchLamps(null);

  const collection = (features) => ({ type: "FeatureCollection", features });
  const point = (id, lon, lat, properties) => ({ type: "Feature", id, properties, geometry: { type: "Point", coordinates: [lon / 1e6, lat / 1e6] } });

  function padded() {
    const b = map.getBounds();
    const w = (b.getEast() - b.getWest()) / 2, h = (b.getNorth() - b.getSouth()) / 2;
    return [b.getWest() - w, b.getSouth() - h, b.getEast() + w, b.getNorth() + h].map((side, i) => i % 2 ? Math.max(-85, Math.min(85, side)) : Math.max(-180, Math.min(180, side)));
  }

  async function fetchLamps(view) {
    const query = new URLSearchParams({ ...why, zoom: view ? map.getZoom().toFixed(2) : "12" });
    if (seen.at) query.set("at", seen.at);
    if (view) query.set("bbox", view.map((side) => side.toFixed(6)).join(","));
    const answer = await fetch("/api/v1/map/lamps?" + query);
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw Object.assign(new Error(said.detail || answer.statusText), { refused: answer.status < 500 });
    }
    return answer.json();
  }

  function show(data, view) {
    seen.mode = data.mode; seen.epoch = data.epoch; seen.size = data.size;
    seen.box = data.mode === "points" && !view ? [-180, -85, 180, 85] : view;
    seen.zoom = Math.floor(map.getZoom());
    map.removeFeatureState({ source: "lamps" });
    seen.rows.clear(); seen.signs.clear();
    if (data.mode === "cells") {
      map.getSource("lamps").setData(collection([]));
      map.getSource("cells").setData(collection(data.cells.map((cell, i) => {
        const counts = cell.slice(2);
        const n = counts.reduce((sum, one) => sum + one, 0);
        const most = counts.indexOf(Math.max(...counts));
        const bad = counts.reduce((sum, one, k) => sum + (looks[k].alarm ? one : 0), 0);
        return point(i, cell[0], cell[1], { n, bad, c: looks[most].shown, text: bad ? `${n} / ${bad} ⚠` : String(n) });
      })));
    } else {
      map.getSource("cells").setData(collection([]));
      map.getSource("lamps").setData(collection(data.rows.map((row, i) => {
        seen.rows.set(row, { id: data.prefix + data.ids[i], lon: data.lon[i], lat: data.lat[i], s: data.state[i] });
        if (signed[data.state[i]]) seen.signs.set(row, data.state[i]);
        return point(row, data.lon[i], data.lat[i], { s: data.state[i], l: data.level[i] });
      })));
    }
    drawSigns();
    figures(data);
    state.textContent = "";
    if (!seen.painted) map.once("idle", () => { seen.painted = seen.painted || performance.now(); });
    if (!seen.drawn) map.once("render", () => { seen.drawn = seen.drawn || performance.now(); });
  }

  // Signs other than dots are few (what is wrong, cabinets): a source of their own, drawn again when they change.
  function drawSigns() {
    map.getSource("signs").setData(collection([...seen.signs].map(([row, s]) => point(row, seen.rows.get(row).lon, seen.rows.get(row).lat, { i: "look-" + s, o: looks[s].alarm ? 1 : 0 }))));
  }
  let drawing = 0;
  function drawSignsSoon() {
    if (seen.signs.size < 1000) { drawSigns(); return; }
    if (!drawing) drawing = setTimeout(() => { drawing = 0; drawSigns(); }, 1000);
  }

  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: document.body.dataset.tz, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const large = new Intl.NumberFormat(document.documentElement.lang, { notation: "standard" });
  function figures(data) {
    data.counts.forEach((count, i) => {
      const key = document.querySelector(`[data-look="${i}"]`);
      if (!key) return;
      key.querySelector("b").textContent = large.format(count);
      if (count) key.hidden = false;
    });
    if (data.size !== undefined) document.getElementById("size").textContent = large.format(data.size);
    if (data.now) document.getElementById("as-of").textContent = clock.format(data.now);
  }

  function changed(data) {
    figures(data);
    pace(data);
    if (data.dirty !== undefined) { if (data.dirty) again(2000); return; }
    let redraw = false, strange = false;
    for (let i = 0; i < data.rows.length; i += 4) {
      const row = data.rows[i], s = data.rows[i + 1], known = seen.rows.get(row);
      if (!known) { strange = true; continue; }
      if (known.s !== s) {
        known.s = s;
        if (signed[s]) { seen.signs.set(row, s); redraw = true; } else redraw = seen.signs.delete(row) || redraw;
      }
      map.setFeatureState({ source: "lamps", id: row }, { s, l: data.rows[i + 2] });
      seen.changes += 1;
    }
    for (const row of data.gone || []) strange = seen.rows.delete(row) || strange;
    if (redraw) drawSignsSoon();
    if (strange) again(1500);
    const now = Date.now();
    seen.applied += data.rows.length / 4;
    for (let i = 3; i < data.rows.length; i += 4) seen.latencies.push(data.rows[i] + Math.max(0, now - data.sent));
    if (seen.latencies.length > 20000) seen.latencies.splice(0, 10000);
  }

  let waiting = 0;
  function again(ms) {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = 0; load(); }, ms);
  }

  let turn = 0;
  async function load(started) {
    const mine = ++turn;
    try {
      const whole = !!started || (seen.mode === "points" && seen.box && seen.box[0] <= -180);
      const view = whole ? null : padded();
      let data = await (started || fetchLamps(view));
      let shown = view;
      if (started && data.mode === "cells") {
        shown = padded();
        data = await fetchLamps(shown);
      }
      await styled;
      if (mine !== turn) return;
      show(data, shown);
      if (seen.at) unfollow(); else follow(data);
      if (seen.told) seen.told("");
    } catch (error) {
      if (seen.at) { // a moment that cannot be told is not asked for again by itself
        if (mine === turn && seen.told) seen.told(error.message);
        return;
      }
      state.textContent = state.dataset.failed;
      again(3000);
    }
  }

  function unfollow() {
    if (seen.stream) seen.stream.close();
    seen.stream = null;
  }
  // The map as of a moment (an ISO time), or living again (""): see map_when.js.
  seen.go = (at) => { seen.at = at; unfollow(); load(); };

  function follow(data) {
    unfollow();
    const query = { ...why, topics: "map,alerts", after: `${data.epoch}-${data.position}` };
    if (data.mode === "points") query.bbox = seen.box.map((side) => side.toFixed(6)).join(",");
    seen.stream = window.pintu.listen(query, { map: changed, resync: () => again(300) });
  }

  map.on("moveend", () => {
    if (!seen.box || !seen.mode) return;
    const b = map.getBounds(), [w, s, e, n] = seen.box;
    const outside = b.getWest() < w || b.getSouth() < s || b.getEast() > e || b.getNorth() > n;
    const closer = seen.box[0] > -180 && Math.floor(map.getZoom()) !== seen.zoom;
    if (outside || closer) again(150);
  });

  function open(id, lon, lat) {
    map.getSource("chosen").setData(collection([point(0, lon, lat, {})]));
    htmx.ajax("GET", `/entities/${encodeURIComponent(id)}?` + new URLSearchParams({ ...why, part: "card" }), { target: "#card", swap: "innerHTML" });
  }
  map.on("click", (event) => {
    const near = [[event.point.x - 6, event.point.y - 6], [event.point.x + 6, event.point.y + 6]];
    const hit = map.queryRenderedFeatures(near, { layers: ["signs", "lamps"] })[0];
    if (hit && seen.rows.has(hit.id)) { const one = seen.rows.get(hit.id); open(one.id, one.lon, one.lat); return; }
    const cell = map.queryRenderedFeatures(near, { layers: ["cells"] })[0];
    if (cell) map.easeTo({ center: cell.geometry.coordinates, zoom: map.getZoom() + 2 });
  });
  for (const layer of ["lamps", "signs", "cells"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().classList.add("pointing"); });
    map.on("mouseleave", layer, () => { map.getCanvas().classList.remove("pointing"); });
  }
  function fly(thing) {
    map.jumpTo({ center: [thing.lon, thing.lat], zoom: Math.max(map.getZoom(), 16) });
    open(thing.id, Math.round(thing.lon * 1e6), Math.round(thing.lat * 1e6));
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-fly]");
    if (!link) return;
    const one = [...seen.rows.values()].find((lamp) => lamp.id === link.dataset.fly);
    if (!one) return;
    event.preventDefault();
    fly({ id: one.id, lon: one.lon / 1e6, lat: one.lat / 1e6 });
  });

  // Changes a second as the city's own counter tells, over some three seconds.
  const told = [];
  function pace(data) {
    told.push([data.sent, data.seen]);
    while (told.length > 2 && data.sent - told[0][0] > 3000) told.shift();
    const seconds = (data.sent - told[0][0]) / 1000;
    if (seconds > .7) document.getElementById("rate").textContent = large.format(Math.max(0, Math.round((data.seen - told[0][1]) / seconds)));
  }

  styled.then(async () => {
    window.pintuStyle.addSigns(map);
    if (chosen) fly(chosen);
    const under = await fetch("/api/v1/map/base").then((answer) => answer.ok ? answer.json() : { features: [] }).catch(() => ({ features: [] }));
    if (under.features.length) map.getSource("base").setData(under);
    else map.getSource("graticule").setData(window.pintuStyle.graticule(bounds));
    document.body.dataset.base = "ready";
  });
  load(first);
});
