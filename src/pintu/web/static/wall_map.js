// The wall's map: the points of the city, quiet; above them what is wrong, never hidden in a cluster.
"use strict";
window.pintuWall.Map = class {
  constructor(box, points, hidden) {
    const { looks, signed } = window.pintuStyle;
    this.box = box; this.points = points; this.hidden = hidden; this.looks = looks; this.signed = signed;
    this.scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    this.mode = ""; this.drawn = new Set(); this.rows = []; this.layers = new Set(); this.changes = 0; this.puts = 0; this.signs_of = new Set();
    this.wants = new Set(); this.moved = new Set(); this.marks = {}; this.rested = 0;
    this.glow = document.createElement("canvas");
    this.glow.className = "wall-glow"; this.glow.setAttribute("aria-hidden", "true");
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const bounds = JSON.parse(box.dataset.bounds) || [120.0, 30.0, 120.4, 30.4];
    this.bounds = [[bounds[0], bounds[1]], [bounds[2], bounds[3]]];
    this.held = location.hash.includes("map="); // else the whole city stays in view, whatever size the window gets
    maplibregl.setWorkerUrl(new URL(box.dataset.worker, location.href).href);
    this.gl = new maplibregl.Map({
      container: box, style: window.pintuStyle.style(), attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
      bounds: this.bounds, fitBoundsOptions: { padding: this.free() }, maxZoom: 20, fadeDuration: 0, hash: "map",
      localIdeographFontFamily: '"Noto Sans SC Variable", sans-serif',
      locale: { "NavigationControl.ZoomIn": box.dataset.zoomIn, "NavigationControl.ZoomOut": box.dataset.zoomOut, "NavigationControl.ResetBearing": box.dataset.north, "Map.Title": box.dataset.label },
    });
    this.gl.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    this.gl.addControl(new maplibregl.ScaleControl({ maxWidth: 120 * this.scale }), "bottom-right");
    this.gl.touchZoomRotate.disableRotation();
    this.ready = new Promise((done) => { if (this.gl.isStyleLoaded()) done(); else this.gl.once("style.load", done); }).then(() => this.dress());
    this.gl.getCanvasContainer().append(this.glow);
    this.gl.on("move", () => this.shine());
    this.gl.on("moveend", (event) => { if (event.originalEvent) this.held = true; this.draw(); });
    this.gl.on("resize", () => { if (!this.held) this.whole(); this.shine(); });
  }

  static collection(features) { return { type: "FeatureCollection", features }; }
  static point(id, [lon, lat], properties) { return { type: "Feature", id, properties, geometry: { type: "Point", coordinates: [lon, lat] } }; }
  // What is there already is not handed over once more: a source that is set is cut into tiles and drawn anew.
  put(source, features) {
    const mark = JSON.stringify(features);
    if (this.marks[source] === mark) return false;
    this.marks[source] = mark;
    const { shift } = window.pintuWall;
    if (shift) for (const one of features) one.geometry = { ...one.geometry, coordinates: shift(one.geometry.coordinates) };
    this.gl.getSource(source).setData(this.constructor.collection(features));
    this.puts += 1;
    return true;
  }

  dress() {
    const root = getComputedStyle(document.documentElement);
    const colour = (name) => root.getPropertyValue("--" + name).trim();
    const empty = () => ({ type: "geojson", data: this.constructor.collection([]) });
    const font = ["Noto Sans SC Variable"], gl = this.gl, k = this.scale;
    window.pintuStyle.addSigns(gl);
    const image = (name, path, fill, line) => {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 64;
      const pen = canvas.getContext("2d"), shape = new Path2D(path);
      pen.lineJoin = "round"; pen.strokeStyle = colour("ground"); pen.lineWidth = 14; pen.stroke(shape);
      if (fill) { pen.fillStyle = fill; pen.fill(shape); }
      if (line) { pen.fillStyle = colour("ground"); pen.fill(shape); pen.strokeStyle = line; pen.lineWidth = 8; pen.stroke(shape); }
      gl.addImage(name, pen.getImageData(0, 0, 64, 64), { pixelRatio: 2 });
    };
    image("wall-incident", "M22 7h20l15 15v20L42 57H22L7 42V22z", colour("red"));
    image("wall-incident-seen", "M22 7h20l15 15v20L42 57H22L7 42V22z", "", colour("red"));
    image("wall-alarm", "M32 7 59 56H5z", colour("red"));
    image("wall-alarm-low", "M32 9 56 54H8z", "", colour("soft"));
    image("wall-order", "M32 7 57 32 32 57 7 32z", "", colour("blue"));
    for (const name of ["streets", "areas", "things"]) gl.addSource(name, empty());
    const text = { "text-font": font, "text-size": 15 * k, "text-offset": [0, 1.3], "text-anchor": "top", "text-optional": true, "text-max-width": 14 };
    const paint = { "text-color": colour("text"), "text-halo-color": colour("ground"), "text-halo-width": 2 * k };
    const of = (layer) => ["==", ["get", "layer"], layer];
    gl.addLayer({ id: "wall-streets", type: "line", source: "streets", layout: { "line-cap": "round" }, paint: { "line-color": ["case", [">=", ["get", "bad"], 2], colour("red"), colour("text")], "line-width": ["interpolate", ["linear"], ["zoom"], 10, 2.5 * k, 15, 7 * k], "line-opacity": .85 } }, "cells");
    gl.addLayer({ id: "wall-areas", type: "fill", source: "areas", paint: { "fill-color": ["case", of("incidents"), colour("red"), colour("text")], "fill-opacity": .07 } }, "cells");
    gl.addLayer({ id: "wall-warnings", type: "line", source: "areas", filter: of("warnings"), paint: { "line-color": colour("text"), "line-width": 3 * k, "line-dasharray": [3, 2] } });
    gl.addLayer({ id: "wall-incident-areas", type: "line", source: "areas", filter: of("incidents"), paint: { "line-color": colour("red"), "line-width": 3 * k } });
    this.blue = colour("blue");
    const symbol = (id, layer, size, more = {}) => gl.addLayer({ id, type: "symbol", source: "things", filter: of(layer), layout: { "icon-image": ["get", "i"], "icon-size": size * k, "icon-allow-overlap": true, "icon-ignore-placement": true, "symbol-sort-key": ["-", 9, ["get", "o"]], ...more }, paint: more["text-field"] ? paint : {} });
    symbol("wall-orders", "orders", .42);
    symbol("wall-alarms", "alarms", .62, { "icon-size": ["interpolate", ["linear"], ["zoom"], 10, ["*", .5 * k, ["get", "size"]], 13, ["*", k, ["get", "size"]]] });
    symbol("wall-warning-names", "warnings", .1, { "text-field": ["get", "t"], ...text, "text-anchor": "center", "text-offset": [0, 0] });
    gl.addLayer({ id: "wall-rings", type: "circle", source: "things", filter: ["all", of("incidents"), ["==", ["get", "new"], 1]], paint: { "circle-radius": 26 * k, "circle-color": colour("red"), "circle-opacity": .12, "circle-stroke-color": colour("red"), "circle-stroke-width": 2.5 * k } });
    symbol("wall-incidents", "incidents", .95, { "text-field": ["get", "t"], ...text, "text-size": 18 * k, "symbol-sort-key": ["get", "o"], "icon-ignore-placement": false });
    for (const id of ["place-names", "road-names"]) gl.setLayoutProperty(id, "text-size", 13 * k);
    gl.setLayoutProperty("cell-count", "text-size", 12 * k);
    const larger = (zooms) => zooms.map((part, i) => (i > 3 && i % 2 === 0 ? ["*", k, part] : part)); // of an interpolation by zoom
    if (k > 1) { gl.setPaintProperty("lamps", "circle-radius", larger(gl.getPaintProperty("lamps", "circle-radius"))); gl.setLayoutProperty("signs", "icon-size", larger(gl.getLayoutProperty("signs", "icon-size"))); gl.setPaintProperty("cells", "circle-radius", larger(gl.getPaintProperty("cells", "circle-radius"))); }
    for (const id of ["cells", "cell-count"]) gl.setFilter(id, [">", ["get", "n"], 0]);
    gl.moveLayer("chosen");
  }

  view() {
    const b = this.gl.getBounds();
    const w = (b.getEast() - b.getWest()) / 2, h = (b.getNorth() - b.getSouth()) / 2;
    return [b.getWest() - w, Math.max(-85, b.getSouth() - h), b.getEast() + w, Math.min(85, b.getNorth() + h)];
  }

  // Points where the view holds few, cells where it holds many; what is wrong is drawn by itself always.
  draw() {
    if (!this.dressed) return;
    const { points, constructor: { point } } = this;
    const view = this.view(), shown = this.layers.has("points") ? null : this.hidden;
    const rows = shown ? points.within(view, shown, this.gl.getZoom() >= 15 ? 12000 : 4000) : [];
    this.mode = rows ? "points" : "cells";
    this.drawn = new Set(rows || []);
    if (this.put("lamps", (rows || []).map((row) => point(row, this.place(row), { s: points.state[row], l: points.level[row] })))) this.gl.removeFeatureState({ source: "lamps" });
    const size = Math.max(1, Math.round(360 / (512 * 2 ** Math.floor(this.gl.getZoom())) * 44 * this.scale * 1e6));
    const cells = rows ? [] : points.cells(view, size, this.hidden);
    this.put("cells", cells.map(([x, y, n, look], i) => point(i, [x / 1e6, y / 1e6], { n, bad: 0, c: this.looks[look].alarm ? this.looks[0].shown : this.looks[look].shown, text: String(n) })));
    this.signs();
    this.shine();
  }
  place(row) { return [this.points.lon[row] / 1e6, this.points.lat[row] / 1e6]; }

  signs() {
    const { points, looks, signed, constructor: { point } } = this;
    const wanted = new Set(this.layers.has("points") ? [] : [...points.alarmed].slice(0, 3000));
    for (const row of this.drawn) if (signed[points.state[row]]) wanted.add(row);
    this.signs_of = wanted;
    this.put("signs", [...wanted].filter((row) => !this.hidden.has(points.state[row])).map((row) => point(row, this.place(row), { i: "look-" + points.state[row], o: looks[points.state[row]].alarm ? 1 : 0 })));
  }

  // Rows of a map event, after the columns took them in. What blinks is painted at once, on a canvas of its own:
  // the map under it is drawn again only when something on it looks otherwise.
  changed(flat) {
    this.changes += flat.length / 4;
    for (let i = 0; i < flat.length; i += 4) {
      if (this.drawn.has(flat[i])) this.moved.add(flat[i]);
      if (this.signed[flat[i + 1]] || this.looks[flat[i + 1]].alarm || this.signs_of.has(flat[i])) this.wants.add("signs");
    }
    if (this.mode === "cells") this.wants.add("cells");
    if (this.moved.size || this.wants.size) this.soon();
    if (!this.still && !this.shining) this.shine();
  }
  shine() {
    clearTimeout(this.shining);
    this.shining = 0;
    if (this.still || !this.dressed) return;
    const { points, glow, gl, scale } = this, now = Date.now(), box = gl.getContainer();
    const width = box.clientWidth, height = box.clientHeight, sharp = Math.min(2, devicePixelRatio);
    if (glow.width !== Math.round(width * sharp) || glow.height !== Math.round(height * sharp)) { glow.width = Math.round(width * sharp); glow.height = Math.round(height * sharp); }
    const pen = glow.getContext("2d"), zoom = gl.getZoom(), { shift } = window.pintuWall;
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, width, height);
    const rows = this.layers.has("points") ? [] : points.recent(now - 1500, 1500);
    const radius = scale * (zoom < 10 ? 2.2 : Math.min(8, 2.2 + (zoom - 10) * 1.16)), side = radius * 2;
    pen.strokeStyle = pen.fillStyle = this.blue;
    pen.lineWidth = scale;
    pen.beginPath();
    for (const row of rows) {
      if (!points.there[row] || this.hidden.has(points.state[row]) || this.signs_of.has(row)) continue;
      const at = this.place(row), { x, y } = gl.project(shift ? shift(at) : at);
      if (x < -side || y < -side || x > width + side || y > height + side) continue;
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 7);
    }
    pen.globalAlpha = .35; pen.fill();
    pen.globalAlpha = 1; pen.stroke();
    if (rows.length) this.shining = setTimeout(() => this.shine(), 500);
  }

  // Drawing waits until the last drawing is done and has rested several times as long: on a slow machine the
  // map is drawn less often, and what is told is taken in at once.
  soon(what) {
    if (what) this.wants.add(what);
    if (!this.dressed || this.busy || this.timer) return;
    this.timer = setTimeout(() => { this.timer = 0; this.flush(); }, Math.max(0, this.rested - Date.now()));
  }
  flush() {
    const { wants, points } = this, began = Date.now();
    this.wants = new Set();
    let drawn = this.moved.size > 0;
    for (const row of this.moved) this.gl.setFeatureState({ source: "lamps", id: row }, { s: points.state[row], l: points.level[row] });
    this.moved.clear();
    const before = this.puts;
    if (wants.has("cells") && this.mode === "cells") this.draw(); else if (wants.has("signs")) this.signs();
    drawn = drawn || this.puts !== before;
    if (!drawn) { this.rested = Date.now() + 500; return; }
    this.busy = true;
    const done = () => {
      if (!this.busy) return;
      clearTimeout(guard);
      this.busy = false;
      const cost = Date.now() - began;
      this.rested = Date.now() + (cost < 250 ? Math.max(500, 3 * cost) : Math.min(10000, 8 * cost));
      if (this.wants.size || this.moved.size) this.soon();
    };
    const guard = setTimeout(done, 4000);
    this.gl.once("idle", done);
    this.gl.triggerRepaint();
  }
  // What is wrong is drawn at once, whatever telemetry waits for.
  list(lists) { this.listed = lists; if (this.dressed) this.things(lists); }

  // The rows of the lists.
  things(lists) {
    const { title } = window.pintuWall.state, { point } = this.constructor, features = [], areas = [], streets = [];
    const area = (row, layer) => { if (row.lines) areas.push({ type: "Feature", properties: { layer, id: row.id }, geometry: row.lines }); };
    const add = (rows, layer, icon) => rows.slice(0, 2000).forEach((row, i) => {
      if (layer === "incidents" || layer === "warnings") area(row, layer);
      const at = row.at || this.points.at(row.about);
      if (at) features.push(point(features.length, at, { layer, id: row.id, i: icon(row), o: row.order, t: label(title(row)), size: row.inside ? .38 : .62, new: row.status === "open" && i < 5 ? 1 : 0 }));
    });
    const shown = (name) => !this.layers.has(name);
    const label = (text) => text.replace(/（/g, " (").replace(/）/g, ")"); // the first draws as nothing here
    const alone = (row) => !this.points.alarmed.has(this.points.row_of.get(row.about)); // else its thing shows it already
    if (shown("streets")) for (const row of lists.streets) if (row.lines) streets.push({ type: "Feature", properties: { id: row.id, bad: row.status === "critical" ? 2 : 1 }, geometry: row.lines });
    if (shown("orders")) add(lists.orders, "orders", () => "wall-order");
    if (shown("alarms")) add([...lists.alarms, ...lists.grouped].filter(alone), "alarms", (row) => row.order < 3 ? "wall-alarm" : "wall-alarm-low");
    if (shown("warnings")) add(lists.warnings, "warnings", () => "");
    if (shown("incidents")) add(lists.incidents, "incidents", (row) => row.status === "open" ? "wall-incident" : "wall-incident-seen");
    this.put("things", features); this.put("areas", areas); this.put("streets", streets);
  }

  choose(at) { if (this.dressed) this.put("chosen", at ? [this.constructor.point(0, at, {})] : []); }
  go(at, zoom) {
    this.held = true;
    this.gl.jumpTo({ center: window.pintuWall.shift ? window.pintuWall.shift(at) : at, zoom: Math.max(this.gl.getZoom(), zoom) });
    this.choose(at);
  }
  fly(row) {
    const at = row.at || this.points.at(row.about);
    if (at) this.go(at, 15);
  }
  // What of the map no legend covers.
  free() {
    const legend = this.box.parentElement.querySelector(".wall-legend");
    const under = legend && legend.open && getComputedStyle(legend).position === "absolute" ? legend.offsetHeight : 0;
    return { top: 30, left: 30, right: 30, bottom: 40 + Math.min(under, this.box.offsetHeight / 2) };
  }
  whole() { this.held = false; this.gl.fitBounds(this.bounds, { padding: this.free(), animate: false }); }
};
