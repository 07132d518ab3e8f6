// Zones of an event drawn on the map: each is a line of the field below, and each follows the other.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("zone-map");
  if (!box) return;
  const tools = document.getElementById("zone-tools");
  const field = document.querySelector('[name="zones"]');
  const root = getComputedStyle(document.documentElement);
  const colour = (name) => root.getPropertyValue("--" + name).trim();
  const pick = tools.querySelector("select"), state = document.getElementById("zone-state");
  const [name, title, steps] = ["zone-name", "zone-title", "zone-steps"].map((id) => document.getElementById(id));
  let corners = [];

  const lines = () => field.value.split("\n").map((line) => line.split(/\s*[|｜]\s*/)).filter((parts) => parts.length === 4);
  const ring = (text) => text.split(/\s+/).map((one) => one.replace("，", ",").split(",").map(Number)).filter((one) => one.length === 2 && one.every(Number.isFinite)).map(([lat, lon]) => [lon, lat]);
  const told = (points) => points.map(([lon, lat]) => `${+lat.toFixed(5)},${+lon.toFixed(5)}`).join(" ");
  const shape = (id, points) => ({ type: "Feature", properties: { id }, geometry: points.length > 2 ? { type: "Polygon", coordinates: [[...points, points[0]]] } : { type: "LineString", coordinates: points.length > 1 ? points : [points[0], points[0]] } });
  const dot = (at) => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: at } });
  const collection = (features) => ({ type: "FeatureCollection", features });

  let map;
  maplibregl.setWorkerUrl(new URL(box.dataset.worker, location.href).href);
  try {
    const base = (kinds) => ["in", ["get", "kind"], ["literal", kinds]];
    const wet = ["river", "water", "lake", "canal"];
    map = new maplibregl.Map({
      container: box, attributionControl: false, dragRotate: false, pitchWithRotate: false, fadeDuration: 0, maxZoom: 19,
      bounds: JSON.parse(box.dataset.bounds), fitBoundsOptions: { padding: 20 },
      locale: { "NavigationControl.ZoomIn": box.dataset.zoomIn, "NavigationControl.ZoomOut": box.dataset.zoomOut, "Map.Title": box.dataset.label },
      style: {
        version: 8,
        sources: { base: { type: "geojson", data: "/api/v1/map/base" }, zones: { type: "geojson", data: collection([]) }, drawn: { type: "geojson", data: collection([]) } },
        layers: [
          { id: "land", type: "background", paint: { "background-color": colour("land") } },
          { id: "green", type: "fill", source: "base", filter: ["all", ["==", ["geometry-type"], "Polygon"], base(["park", "green", "wetland"])], paint: { "fill-color": colour("green") } },
          { id: "water", type: "fill", source: "base", filter: ["all", ["==", ["geometry-type"], "Polygon"], base(wet)], paint: { "fill-color": colour("water") } },
          { id: "road", type: "line", source: "base", filter: ["all", ["==", ["geometry-type"], "LineString"], ["!", base(wet)]], paint: { "line-color": colour("road-line"), "line-width": 1.5 } },
          { id: "zones", type: "fill", source: "zones", paint: { "fill-color": colour("blue"), "fill-opacity": .18 } },
          { id: "zone-edges", type: "line", source: "zones", paint: { "line-color": colour("blue"), "line-width": 2 } },
          { id: "drawn", type: "line", source: "drawn", filter: ["!=", ["geometry-type"], "Point"], paint: { "line-color": colour("text"), "line-width": 2.5, "line-dasharray": [2, 1] } },
          { id: "drawn-corners", type: "circle", source: "drawn", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 5, "circle-color": colour("ground"), "circle-stroke-color": colour("text"), "circle-stroke-width": 2 } },
        ],
      },
    });
  } catch (error) {
    box.hidden = tools.hidden = true;
    state.textContent = box.dataset.noGl;
    return;
  }
  box.pintuMap = map;
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.touchZoomRotate.disableRotation();
  map.getCanvas().style.cursor = "crosshair";

  function draw() {
    const known = lines(), chosen = pick.value;
    if (map.getSource("zones")) {
      map.getSource("zones").setData(collection(known.map(([id, , , text]) => [id, ring(text)]).filter(([id, points]) => points.length > 2 && id !== chosen).map(([id, points]) => shape(id, points))));
      map.getSource("drawn").setData(collection(corners.length ? [shape("drawn", corners), ...corners.map(dot)] : []));
    }
    const names = known.map(([id, text]) => [id, text]);
    pick.replaceChildren(new Option(pick.dataset.fresh, ""), ...names.map(([id, text]) => new Option(text || id, id)));
    pick.value = names.some(([id]) => id === chosen) ? chosen : "";
    state.textContent = box.dataset.count.replace("%(n)s", corners.length);
  }
  const put = (points) => { corners = points; draw(); };
  function keep() {
    const id = name.value.trim();
    if (corners.length < 3 || !/^[a-z0-9][a-z0-9_-]{0,40}$/.test(id)) {
      state.textContent = box.dataset.needs;
      (corners.length < 3 ? box : name).focus();
      return;
    }
    const line = [id, title.value.trim().replace(/[|｜\n]/g, " ") || id, steps.value || "1", told(corners)].join(" | ");
    const rest = field.value.split("\n").filter((one) => one.trim() && one.split(/\s*[|｜]\s*/)[0].trim() !== id && one.split(/\s*[|｜]\s*/)[0].trim() !== pick.value);
    field.value = [...rest, line].join("\n");
    pick.value = ""; name.value = title.value = "";
    put([]);
  }
  map.on("click", (event) => put([...corners, [event.lngLat.lng, event.lngLat.lat]]));
  map.once("style.load", draw);
  const on = (what, act) => tools.querySelector(`[data-do="${what}"]`).addEventListener("click", act);
  on("middle", () => put([...corners, map.getCenter().toArray()]));
  on("last", () => put(corners.slice(0, -1)));
  on("none", () => put([]));
  on("keep", keep);
  pick.addEventListener("change", () => {
    const found = lines().find(([id]) => id === pick.value);
    [name.value, title.value, steps.value] = found ? found : ["", "", "1"];
    put(found ? ring(found[3]) : []);
  });
  field.addEventListener("input", draw);
});
