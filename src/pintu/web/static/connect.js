// Connecting a source: a file sent with its progress, a question before forgetting, a hint while looking.
"use strict";
(() => {
  const upload = document.getElementById("upload");
  if (upload) upload.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = document.getElementById("file").files[0];
    const progress = document.getElementById("upload-progress");
    const button = upload.querySelector("button");
    const notice = document.getElementById("notice");
    if (!file) return;
    const request = new XMLHttpRequest();
    request.open("POST", upload.dataset.to + "?" + new URLSearchParams({ filename: file.name }));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", document.body.dataset.csrf || "");
    request.upload.onprogress = (told) => { if (told.lengthComputable) progress.value = 100 * told.loaded / told.total; };
    request.onload = () => {
      button.disabled = false;
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* not ours */ }
      if (request.status >= 300) { window.pintu.say(notice.dataset.failed + ": " + ((document.documentElement.lang.startsWith("zh") && told.zh) || told.detail || request.statusText), true); return; }
      window.pintu.say(upload.dataset.done);
      setTimeout(() => location.assign(told.next || location.href), 400);
    };
    request.onerror = () => { button.disabled = false; window.pintu.say(notice.dataset.offline, true); };
    progress.hidden = false;
    button.disabled = true;
    request.send(file);
  });
  for (const form of document.querySelectorAll("form[data-sure]"))
    form.addEventListener("submit", (event) => { if (!confirm(form.dataset.sure)) event.preventDefault(); });
  // Another type or target is guessed again: at once by mouse, by keys at Enter or when it is left,
  // so that walking through the list of choices opens no page.
  for (const choice of document.querySelectorAll("select[data-again]")) {
    let keys = false, before = choice.value;
    const go = () => {
      if (choice.value === before) return;
      before = choice.value;
      const address = new URL(location.href);
      const name = choice.dataset.again || choice.name;
      if (name === "type" && choice.value) address.searchParams.delete("target");
      address.searchParams.set(name, choice.value);
      location.assign(address);
    };
    choice.addEventListener("pointerdown", () => { keys = false; });
    choice.addEventListener("keydown", (event) => {
      keys = true;
      if (event.key === "Enter" && choice.value !== before) { event.preventDefault(); go(); }
    });
    choice.addEventListener("change", () => { if (!keys) go(); });
    choice.addEventListener("blur", go);
  }
  // the answer to a question goes into the field of the form that keeps it
  const named = (name) => document.getElementById(name) || document.getElementsByName(name)[0];
  for (const choice of document.querySelectorAll("select[data-fill]"))
    choice.addEventListener("change", () => { const field = named(choice.dataset.fill); if (field) field.value = choice.value; });
  for (const choice of document.querySelectorAll("select[data-line]"))
    choice.addEventListener("change", () => {
      const field = named(choice.dataset.line);
      if (!field) return;
      const rest = field.value.split("\n").filter((line) => line.trim() && line.split("=")[0].trim() !== choice.dataset.value);
      field.value = [...rest, ...(choice.value ? [choice.dataset.value + " = " + choice.value] : [])].join("\n");
      field.closest("details").open = true;
    });
  for (const field of document.querySelectorAll("input[data-filter]"))
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const one of document.querySelectorAll(field.dataset.filter)) one.hidden = !one.dataset.name.includes(wanted);
    });
  const waiting = document.querySelector("[data-wait]");
  if (waiting) {
    const next = new URL(location.href);
    next.searchParams.delete("again");
    fetch(waiting.dataset.wait).finally(() => location.replace(next));
  }
  const places = document.getElementById("places");
  if (places) addEventListener("DOMContentLoaded", () => drawPlaces(places));

  // Where the points of a dry run lie, those far from the others as rings.
  function drawPlaces(box) {
    const points = JSON.parse(document.getElementById("points").textContent);
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    const near = points.filter((one) => !one.far), shown = near.length ? near : points;
    const lons = shown.map((one) => one.at[0]), lats = shown.map((one) => one.at[1]);
    const bounds = [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
    maplibregl.setWorkerUrl(new URL(box.dataset.worker, location.href).href);
    const style = window.pintuStyle.style();
    const features = points.map((one, i) => ({ type: "Feature", id: i, properties: { n: one.name, far: one.far ? 1 : 0 }, geometry: { type: "Point", coordinates: one.at } }));
    style.sources.points = { type: "geojson", data: { type: "FeatureCollection", features } };
    style.layers.push(
      { id: "points", type: "circle", source: "points", paint: { "circle-color": ["case", ["==", ["get", "far"], 1], colour("ground"), colour("blue")], "circle-stroke-color": colour("text"), "circle-stroke-width": ["case", ["==", ["get", "far"], 1], 3, 1], "circle-radius": 6 } },
      { id: "point-names", type: "symbol", source: "points", layout: { "text-field": ["get", "n"], "text-font": ["Noto Sans SC Variable"], "text-size": 13, "text-anchor": "top", "text-offset": [0, .7], "text-optional": true }, paint: { "text-color": colour("text"), "text-halo-color": colour("ground"), "text-halo-width": 1.6 } },
    );
    let map;
    try {
      map = new maplibregl.Map({
        container: box, style, attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false, bounds, fitBoundsOptions: { padding: 40, maxZoom: 15 }, maxZoom: 19, fadeDuration: 0,
        localIdeographFontFamily: '"Noto Sans SC Variable", sans-serif',
        locale: { "NavigationControl.ZoomIn": box.dataset.zoomIn, "NavigationControl.ZoomOut": box.dataset.zoomOut, "Map.Title": box.dataset.label },
      });
    } catch (error) {
      box.textContent = box.dataset.noGl;
      return;
    }
    map.scrollZoom.disable();
    map.touchZoomRotate.disableRotation();
    map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new maplibregl.ScaleControl({ maxWidth: 120 }), "bottom-right");
    map.once("style.load", async () => {
      const under = await fetch("/api/v1/map/base").then((answer) => answer.ok ? answer.json() : { features: [] }).catch(() => ({ features: [] }));
      if (under.features && under.features.length) map.getSource("base").setData(under);
      else map.getSource("graticule").setData(window.pintuStyle.graticule([...bounds[0], ...bounds[1]]));
      map.once("idle", () => { box.dataset.drawn = "1"; });
    });
  }
})();
