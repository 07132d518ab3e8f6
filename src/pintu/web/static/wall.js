// The wall: what it shows now, followed by server-sent events; sound, filters, the card, the address.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("wall"), map_state = document.getElementById("map-state"), banner = document.getElementById("wall-banner");
  const { State, title, words, SEVERITIES } = window.pintuWall.state;
  const { fill } = window.pintuWall.Lists;
  const tz = document.body.dataset.tz, lang = document.documentElement.lang;
  const clock = new Intl.DateTimeFormat(lang, { timeZone: tz, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat(lang, { timeZone: tz, year: "numeric", month: "short", day: "numeric", weekday: "short" });
  const state = new State();
  const hidden = new Set(), address = new URLSearchParams(location.search);
  const points = new window.pintuWall.Points(window.pintuStyle.looks);
  const lists = new window.pintuWall.Lists((id) => choose(id));
  // `applied`, `latencies` (ms from a change to its being applied here) and `alarms` (ms from an alarm's issue to its standing in the lists) are for measuring.
  const wall = window.pintuWall.now = { state, points, applied: 0, latencies: [], alarms: [], lists: null, least: 4, figures: null, live: true, loaded: false };
  if (innerWidth < 1600) document.querySelector(".wall-legend").open = false;
  let map = null, chosen = "", told_at = { city: Number(box.dataset.clock), here: Date.now() }, heard = Date.now();

  try {
    map = wall.map = new window.pintuWall.Map(document.getElementById("map"), points, hidden);
    map.ready.then(() => { map.dressed = true; under(); map.draw(); state.version += 1; show(); });
  } catch (error) {
    map_state.textContent = document.getElementById("map").dataset.noGl;
  }
  async function under() {
    const tiled = window.pintuWall.base(map);
    const base = tiled ? { features: [] } : await fetch("/api/v1/map/base").then((answer) => answer.ok ? answer.json() : { features: [] }).catch(() => ({ features: [] }));
    if (tiled) map.put("graticule", []);
    else if (base.features.length) map.gl.getSource("base").setData(base);
    else map.gl.getSource("graticule").setData(window.pintuStyle.graticule(map.bounds.flat()));
    document.body.dataset.base = "ready";
  }

  // --- the clock of the city, which may run at another rate than ours
  wall.city = () => (wall.live ? wall.ahead() : wall.replayed || 0);
  wall.ahead = () => told_at.city + (Date.now() - told_at.here) * Number(box.dataset.rate); // of the city, whatever is shown
  function tick() {
    const now = wall.city();
    if (wall.live) state.expire(now);
    document.getElementById("wall-time").textContent = clock.format(now);
    document.getElementById("wall-date").textContent = day.format(now);
    if (wall.live && wall.loaded) say(Date.now() - heard > 5000 ? fill(words.lost, { time: clock.format(told_at.city) }) : "", "lost");
    show(true);
  }
  function say(text, kind) {
    if (banner.textContent !== text) banner.textContent = text;
    banner.dataset.kind = text ? kind : "";
    document.body.classList.toggle("wall-lost", kind === "lost" && !!text);
  }
  wall.say = say;

  // --- lists, figures and signs follow the state: at once, and four times a second at most
  let shown = -1, showing = 0, last_shown = 0, rung = [];
  function show(aged) {
    if (showing && !aged) return;
    const later = () => {
      clearTimeout(showing);
      showing = 0; last_shown = Date.now();
      const now = wall.city();
      if (state.version === shown && !aged) return;
      const found = wall.lists = state.lists(wall.least);
      for (const name of ["incidents", "warnings", "plans", "alarms", "orders", "streets"]) lists.show(name, found[name], now);
      lists.figures(found, wall.live ? wall.figures : null, now);
      if (map && state.version !== shown) map.list(found);
      shown = state.version;
      for (const since of rung) wall.alarms.push(Date.now() - since);
      rung = [];
      if (wall.alarms.length > 2000) wall.alarms.splice(0, 1000);
    };
    if (aged) later(); else showing = setTimeout(later, Math.max(0, last_shown + 200 - Date.now()));
  }
  wall.show = show;

  // --- events
  wall.apply = (event) => {
    const fresh = state.apply(event);
    if (wall.loaded) for (const row of fresh) {
      if (row.type === "Incident") wall.sounds.play(row);
      if (row.type === "Alert") rung.push(row.since);
    }
    show();
  };
  wall.rows = (data) => {
    if (data.rows) {
      const strange = points.apply(data.rows, data.gone, Date.now());
      if (map) map.changed(data.rows);
      wall.applied += data.rows.length / 4;
      const lag = Math.max(0, Date.now() - data.sent);
      for (let i = 3; i < data.rows.length; i += 4) wall.latencies.push(data.rows[i] + lag);
      if (wall.latencies.length > 20000) wall.latencies.splice(0, 10000);
      if (strange) reload(10000);
    }
    counts(data.counts);
  };
  const pace = [];
  function figured(event) {
    heard = Date.now();
    if (!event.figures) return;
    wall.figures = event.figures;
    told_at = { city: event.figures.now, here: Date.now() };
    pace.push([event.sent, event.figures.seen]);
    while (pace.length > 2 && event.sent - pace[0][0] > 3000) pace.shift();
    const seconds = (event.sent - pace[0][0]) / 1000;
    if (seconds > .7) lists.tile("changes", Math.max(0, Math.round((event.figures.seen - pace[0][1]) / seconds)));
  }
  function counts(found) {
    (found || []).forEach((count, i) => {
      const key = document.querySelector(`[data-look="${i}"]`);
      if (!key) return;
      const text = lists.number.format(count);
      if (key.querySelector("b").textContent !== text) key.querySelector("b").textContent = text;
      if (count) key.hidden = false;
    });
  }

  async function asked(path) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  }
  // What stands there, after the stream said hello: what comes meanwhile waits.
  let waiting = null, stream = null;
  async function stand() {
    waiting = [];
    try {
      const now = await asked("/api/v1/wall");
      if (!wall.live) return;
      const later = waiting;
      waiting = null;
      state.clear();
      wall.figures = now.figures;
      told_at = { city: now.figures.now, here: Date.now() };
      state.apply(now);
      later.forEach(wall.apply);
      wall.loaded = true; heard = Date.now();
      box.dataset.loaded = "1";
      say("", "");
      show(true);
      asked_for();
    } catch (error) {
      say(words.failed, "lost");
      setTimeout(() => { if (wall.live) stand(); }, 3000);
    }
  }
  let loading = 0;
  async function load() {
    try {
      const data = await asked("/api/v1/wall/points");
      if (!wall.live) return;
      points.load(data);
      counts(data.counts);
      map_state.textContent = "";
      if (map) map.draw();
      follow(data);
    } catch (error) {
      map_state.textContent = words.failed;
      reload(3000);
    }
  }
  function reload(ms) {
    if (!loading) loading = setTimeout(() => { loading = 0; if (wall.live) load(); }, ms);
  }
  function follow(data) {
    if (stream) stream.close();
    const query = { topics: "wall,map", after: `${data.epoch}-${data.position}` };
    if (data.mode === "points") query.bbox = "-180,-85,180,85";
    stream = window.pintu.listen(query, {
      hello: stand, resync: () => reload(300), map: (one) => { heard = Date.now(); wall.rows(one); },
      wall: (one) => { figured(one); if (waiting) waiting.push(one); else if (one.entities.length || one.gone.length) wall.apply(one); },
    });
  }
  wall.unfollow = () => { if (stream) stream.close(); stream = null; wall.live = false; waiting = null; };
  wall.follow = () => { wall.live = true; wall.loaded = false; state.clear(); show(); load(); };

  // --- choosing: a row or a sign opens its card
  const card = document.getElementById("card");
  const own = window.pintuWall.state.rules.pages;
  wall.page = (row) => (own[row.type] ? own[row.type] + encodeURIComponent(window.pintuWall.state.short(row.id)) : "/entities/" + encodeURIComponent(row.about || row.id));
  function choose(id) {
    const row = state.rows.get(id);
    chosen = row ? id : "";
    for (const li of document.querySelectorAll(".wall-row")) li.classList.toggle("chosen", li.dataset.id === chosen);
    card.replaceChildren();
    if (!row) { if (map) map.choose(null); return; }
    if (map) map.fly(row);
    const template = document.createElement("template");
    template.innerHTML = '<h2></h2><p class="meta"></p><p></p><p class="row"><a class="button main"></a> <button type="button" class="button" data-close></button></p>';
    const part = template.content;
    part.querySelector("h2").textContent = title(row);
    part.querySelector(".meta").textContent = [words.severity[row.severity], row.status_text, row.who ? fill(words.assigned, { who: row.who }) : "", row.since ? `${clock.format(row.since)}` : ""].filter(Boolean).join(" · ");
    part.querySelector(".meta + p").textContent = row.said;
    part.querySelector("a").href = wall.page(row);
    part.querySelector("a").textContent = words.open;
    part.querySelector("button").textContent = words.close;
    card.append(part);
  }
  wall.choose = choose;
  // `?incident=` of an incident's own page: it is chosen here once, where it still stands on the wall.
  let wanted = address.get("incident") || "";
  function asked_for() {
    if (!wanted) return;
    const row = [...state.rows.values()].find((one) => one.type === "Incident" && (one.id === wanted || window.pintuWall.state.short(one.id) === wanted));
    const query = new URLSearchParams(location.search);
    query.delete("incident");
    history.replaceState(null, "", location.pathname + (query.size ? "?" + query : "") + location.hash);
    if (row) { if (map) map.ready.then(() => choose(row.id)); else choose(row.id); }
    else missing(wanted);
    wanted = "";
  }
  function missing(id) {
    const link = document.createElement("a"), said = document.createElement("p");
    link.href = own.Incident + encodeURIComponent(window.pintuWall.state.short(id)); link.textContent = words.open;
    said.append(fill(words.notHere, { id: window.pintuWall.state.short(id) }) + " ", link);
    card.replaceChildren(said);
  }
  wall.chosen = () => state.rows.get(chosen);
  card.addEventListener("click", (event) => { if (event.target.closest("[data-close]")) choose(""); });
  function thing(id, at) {
    if (map) map.go(at, 16);
    htmx.ajax("GET", `/entities/${encodeURIComponent(id)}?part=card`, { target: "#card", swap: "innerHTML" });
  }
  if (map) map.gl.on("click", (event) => {
    const near = [[event.point.x - 8, event.point.y - 8], [event.point.x + 8, event.point.y + 8]];
    const layers = ["wall-incidents", "wall-alarms", "wall-orders", "wall-warning-names", "wall-streets", "signs", "lamps", "cells"].filter((id) => map.gl.getLayer(id));
    const hit = map.gl.queryRenderedFeatures(near, { layers })[0];
    if (!hit) return;
    if (hit.layer.id.startsWith("wall-")) choose(hit.properties.id);
    else if (hit.layer.id === "cells") map.gl.easeTo({ center: hit.geometry.coordinates, zoom: map.gl.getZoom() + 2 });
    else if (points.ids.has(hit.id)) thing(points.ids.get(hit.id), map.place(hit.id));
  });
  // What the search box found is shown here, where it stands on this map.
  document.getElementById("found").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-at]");
    if (!link) return;
    event.preventDefault();
    const at = link.dataset.at.split(",").map(Number);
    document.getElementById("found").replaceChildren();
    if (state.rows.has(link.dataset.id)) choose(link.dataset.id);
    else if (link.dataset.id) thing(link.dataset.id, at);
    else if (map) map.go(at, 15.5);
  });

  // --- filters, kept in the address
  function press(button, off) { button.setAttribute("aria-pressed", String(!off)); }
  function filtered(save) {
    for (const key of document.querySelectorAll("[data-layer]")) press(key, map && map.layers.has(key.dataset.layer));
    for (const key of document.querySelectorAll("[data-look]")) press(key, hidden.has(Number(key.dataset.look)));
    document.getElementById("wall-least").value = SEVERITIES[wall.least];
    if (save) {
      const query = new URLSearchParams(location.search);
      const keep = (name, text) => (text ? query.set(name, text) : query.delete(name));
      keep("without", [...(map ? map.layers : [])].sort().join(",")); keep("hide", [...hidden].sort((a, b) => a - b).join(","));
      keep("from", wall.least < 4 ? SEVERITIES[wall.least] : "");
      history.replaceState(null, "", location.pathname + (query.size ? "?" + query : "") + location.hash);
    }
    state.version += 1;
    if (map) map.draw();
    show(true);
  }
  wall.toggle = (layer) => { if (map && !map.layers.delete(layer)) map.layers.add(layer); filtered(true); };
  document.querySelector(".wall-legend").addEventListener("click", (event) => {
    const key = event.target.closest("button.key");
    if (!key) return;
    if (key.dataset.layer) { wall.toggle(key.dataset.layer); return; }
    const look = Number(key.dataset.look);
    if (!hidden.delete(look)) hidden.add(look);
    filtered(true);
  });
  document.getElementById("wall-least").addEventListener("change", (event) => { wall.least = SEVERITIES.indexOf(event.target.value); filtered(true); });
  for (const layer of (address.get("without") || "").split(",")) if (layer && map) map.layers.add(layer);
  for (const look of (address.get("hide") || "").split(",")) if (look) hidden.add(Number(look));
  if (SEVERITIES.includes(address.get("from"))) wall.least = SEVERITIES.indexOf(address.get("from"));

  filtered(false);
  say(words.loading, "wait");
  setInterval(tick, 1000);
  if (!(address.get("at") && Number(box.dataset.past))) load(); // else wall_replay.js begins
});
