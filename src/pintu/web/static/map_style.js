// How the map looks: base layers and lamps, in the colours of the page's style sheet.
"use strict";
window.pintuStyle = (() => {
  const root = getComputedStyle(document.documentElement);
  const colour = (name) => root.getPropertyValue("--" + name).trim();
  const FONT = ["Noto Sans SC Variable"];
  const STATE = ["coalesce", ["feature-state", "s"], ["get", "s"]];
  const LEVEL = ["coalesce", ["feature-state", "l"], ["get", "l"]];
  const dark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const looks = JSON.parse(document.getElementById("looks").textContent).map((look) => ({ ...look, shown: dark ? lighter(look.colour) : look.colour }));
  const SIGNS = new Set(["triangle", "square", "cross", "star", "line"]);
  const signed = looks.map((look) => SIGNS.has(look.sign));

  // A piece names its colours for a light ground; on a dark one they are mixed with white.
  function lighter(hex) {
    const part = (at) => Math.round(parseInt(hex.slice(at, at + 2), 16) * .6 + 255 * .4).toString(16).padStart(2, "0");
    return "#" + part(1) + part(3) + part(5);
  }
  const byLook = (give) => ["match", STATE, ...looks.flatMap((look, i) => [i, give(look, i)]), give(looks[0], 0)];

  function size() {
    const at = (factor) => byLook((look, i) => signed[i] ? 0 : look.sign === "ring" ? factor * .85 : factor);
    return ["interpolate", ["exponential", 1.4], ["zoom"], 9, at(.9), 12, at(1.7), 15, at(4.6), 18, at(10)];
  }

  const nameLayout = () => ({ "text-field": ["coalesce", ["get", document.documentElement.lang === "en" ? "name_en" : "name_zh"], ["get", "name"]], "text-font": FONT, "text-size": 13 });
  const names = (id, shape) => ({ id, type: "symbol", source: "base", minzoom: 12.6, filter: ["all", ["==", ["geometry-type"], shape], ["has", "name"]], paint: { "text-color": colour("soft"), "text-halo-color": colour("land"), "text-halo-width": 1.6 } });

  function base() {
    return [
      { id: "land", type: "background", paint: { "background-color": colour("land") } },
      { id: "district", type: "fill", source: "base", filter: ["all", ["==", ["geometry-type"], "Polygon"], ["in", ["get", "kind"], ["literal", ["district", "boundary"]]]], paint: { "fill-color": colour("land"), "fill-outline-color": colour("lamp-silent") } },
      { id: "green", type: "fill", source: "base", filter: ["all", ["==", ["geometry-type"], "Polygon"], ["in", ["get", "kind"], ["literal", ["park", "green", "wetland"]]]], paint: { "fill-color": colour("green") } },
      { id: "water", type: "fill", source: "base", filter: ["all", ["==", ["geometry-type"], "Polygon"], ["in", ["get", "kind"], ["literal", ["river", "water", "lake"]]]], paint: { "fill-color": colour("water") } },
      { id: "stream", type: "line", source: "base", filter: ["all", ["==", ["geometry-type"], "LineString"], ["in", ["get", "kind"], ["literal", ["river", "water", "canal"]]]], layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": colour("water"), "line-width": ["interpolate", ["exponential", 2], ["zoom"], 10, 3, 16, 60] } },
      { id: "road-case", type: "line", source: "base", filter: ["all", ["==", ["geometry-type"], "LineString"], ["!", ["in", ["get", "kind"], ["literal", ["river", "water", "canal", "graticule", "boundary", "district"]]]]], layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": colour("road-line"), "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 10, 1.2, 14, 5, 18, 26] } },
      { id: "road", type: "line", source: "base", filter: ["all", ["==", ["geometry-type"], "LineString"], ["!", ["in", ["get", "kind"], ["literal", ["river", "water", "canal", "graticule", "boundary", "district"]]]]], layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": colour("road"), "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 10, .6, 14, 3.4, 18, 22] } },
      { id: "graticule", type: "line", source: "graticule", paint: { "line-color": colour("line"), "line-width": 1, "line-dasharray": [2, 3] } },
    ];
  }

  function lamps() {
    return [
      { id: "cells", type: "circle", source: "cells", paint: { "circle-radius": ["interpolate", ["linear"], ["sqrt", ["get", "n"]], 1, 5, 10, 11, 40, 20], "circle-color": ["get", "c"], "circle-opacity": .35, "circle-stroke-width": ["case", [">", ["get", "bad"], 0], 3, 1.5], "circle-stroke-color": ["case", [">", ["get", "bad"], 0], colour("red"), ["get", "c"]] } },
      { id: "cell-count", type: "symbol", source: "cells", layout: { "text-field": ["get", "text"], "text-font": FONT, "text-size": 12, "text-allow-overlap": false }, paint: { "text-color": colour("text"), "text-halo-color": colour("ground"), "text-halo-width": 1.5 } },
      { id: "lamps", type: "circle", source: "lamps", paint: {
        "circle-radius": size(),
        "circle-color": byLook((look) => look.sign === "ring" ? colour("ground") : look.shown),
        "circle-opacity": ["interpolate", ["linear"], LEVEL, 0, .5, 100, 1],
        "circle-stroke-color": byLook((look) => look.shown),
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 11, byLook((look, i) => signed[i] ? 0 : look.sign === "ring" ? .8 : .2), 16, byLook((look, i) => signed[i] ? 0 : look.sign === "ring" ? 2.4 : 1)],
      } },
      { id: "signs", type: "symbol", source: "signs", layout: { "icon-image": ["get", "i"], "icon-size": ["interpolate", ["linear"], ["zoom"], 9, .4, 13, .62, 17, 1.1], "icon-allow-overlap": true, "icon-ignore-placement": true, "symbol-sort-key": ["get", "o"] } },
      { ...names("road-names", "LineString"), layout: { ...nameLayout(), "symbol-placement": "line", "text-max-angle": 40, "symbol-spacing": 420 } },
      { ...names("place-names", "Point"), layout: nameLayout() },
      { id: "chosen", type: "circle", source: "chosen", paint: { "circle-radius": 16, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": colour("text"), "circle-stroke-width": 3 } },
    ];
  }

  const PATHS = {
    triangle: "M24 4 45 43H3z", square: "M9 9h30v30H9z", star: "m24 3 6.3 14 15.2 1.5-11.5 10 3.4 15L24 36l-13.4 7.5 3.4-15-11.5-10L17.700 17z",
    cross: "m11 11 26 26M37 11 11 37", line: "M5 24h38",
  };
  function signImage(look) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 48;
    const pen = canvas.getContext("2d");
    const path = new Path2D(PATHS[look.sign]);
    const drawn = look.sign === "cross" || look.sign === "line";
    pen.lineJoin = pen.lineCap = "round";
    pen.strokeStyle = colour("ground"); pen.lineWidth = drawn ? 15 : 6; pen.stroke(path);
    if (drawn) { pen.strokeStyle = look.shown; pen.lineWidth = 9; pen.stroke(path); } else { pen.fillStyle = look.shown; pen.fill(path); }
    return pen.getImageData(0, 0, 48, 48);
  }
  function addSigns(map) {
    looks.forEach((look, i) => { if (signed[i]) map.addImage("look-" + i, signImage(look), { pixelRatio: 2 }); });
  }

  function graticule(bounds) {
    const [west, south, east, north] = bounds;
    const span = Math.max(east - west, north - south, .001);
    const step = [.001, .005, .01, .05, .1, .5, 1, 5, 10, 30].find((one) => span / one < 14) || 30;
    const features = [];
    const line = (coordinates) => features.push({ type: "Feature", properties: { kind: "graticule" }, geometry: { type: "LineString", coordinates } });
    for (let x = Math.floor((west - span) / step) * step; x <= east + span; x += step) line([[x, Math.max(-85, south - span)], [x, Math.min(85, north + span)]]);
    for (let y = Math.floor((south - span) / step) * step; y <= north + span; y += step) line([[west - span, y], [east + span, y]]);
    return { type: "FeatureCollection", features };
  }

  const none = () => ({ type: "geojson", data: { type: "FeatureCollection", features: [] } });
  function style() {
    return { version: 8, sources: { base: none(), graticule: none(), cells: none(), lamps: none(), signs: none(), chosen: none() }, layers: [...base(), ...lamps()] };
  }
  return { style, addSigns, graticule, looks, signed };
})();
