// How the map looks: base layers and lamps, in the colours of the page's style sheet.
"use strict";
window.pintuStyle = (() => {
  const root = getComputedStyle(document.documentElement);
  const colour = (name) => root.getPropertyValue("--" + name).trim();
  const FONT = ["Noto Sans SC Variable"];
  const STATE = ["coalesce", ["feature-state", "s"], ["get", "s"]];
  const byState = (on, dimmed, off, fault, silent, unknown) => ["match", STATE, 1, off, 2, on, 3, dimmed, 4, fault, 5, silent, unknown];

  function size(factor) {
    const r = (on, dimmed, off, fault, silent, unknown) => byState(...[on, dimmed, off, fault, silent, unknown].map((x) => x * factor));
    return ["interpolate", ["exponential", 1.4], ["zoom"],
      9, r(1, 1, .9, 2, .9, .7), 12, r(2, 2, 1.8, 4, 1.8, 1.3), 15, r(4.5, 4.5, 4, 7, 4, 3), 18, r(10, 10, 9, 13, 9, 7)];
  }

  const nameLayout = () => ({ "text-field": ["coalesce", ["get", document.documentElement.lang === "en" ? "name_en" : "name_zh"], ["get", "name"]], "text-font": FONT, "text-size": 13 });
  const names = (id, shape) => ({ id, type: "symbol", source: "base", minzoom: 11, filter: ["all", ["==", ["geometry-type"], shape], ["has", "name"]], paint: { "text-color": colour("soft"), "text-halo-color": colour("land"), "text-halo-width": 1.6 } });

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
      { ...names("road-names", "LineString"), layout: { ...nameLayout(), "symbol-placement": "line", "text-max-angle": 40, "symbol-spacing": 420 } },
      { ...names("place-names", "Point"), layout: nameLayout() },
    ];
  }

  function lamps() {
    return [
      { id: "cells", type: "circle", source: "cells", paint: { "circle-radius": ["interpolate", ["linear"], ["sqrt", ["get", "n"]], 1, 5, 10, 11, 40, 20], "circle-color": ["interpolate", ["linear"], ["/", ["get", "lit"], ["get", "n"]], 0, colour("lamp-off"), 1, colour("lamp-on")], "circle-opacity": .85, "circle-stroke-width": ["case", [">", ["get", "bad"], 0], 3, 1], "circle-stroke-color": ["case", [">", ["get", "bad"], 0], colour("red"), colour("lamp-off-line")] } },
      { id: "cell-count", type: "symbol", source: "cells", layout: { "text-field": ["get", "text"], "text-font": FONT, "text-size": 12, "text-allow-overlap": false }, paint: { "text-color": colour("text"), "text-halo-color": colour("ground"), "text-halo-width": 1.5 } },
      { id: "lamps", type: "circle", source: "lamps", paint: {
        "circle-radius": size(1),
        "circle-color": byState(colour("lamp-on"), colour("lamp-dimmed"), colour("lamp-off"), colour("red"), colour("lamp-silent"), colour("lamp-unknown")),
        "circle-stroke-color": byState(colour("lamp-on"), colour("lamp-on"), colour("lamp-off-line"), colour("red"), colour("text"), colour("lamp-silent")),
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 11, .3, 13, .8, 16, 2],
      } },
      { id: "faults", type: "symbol", source: "faults", layout: { "icon-image": "fault", "icon-size": ["interpolate", ["linear"], ["zoom"], 9, .35, 13, .55, 17, 1], "icon-allow-overlap": true, "icon-ignore-placement": true } },
      { id: "chosen", type: "circle", source: "chosen", paint: { "circle-radius": 16, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": colour("text"), "circle-stroke-width": 3 } },
    ];
  }

  function faultSign() {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 48;
    const pen = canvas.getContext("2d");
    pen.beginPath(); pen.moveTo(24, 4); pen.lineTo(45, 43); pen.lineTo(3, 43); pen.closePath();
    pen.fillStyle = colour("red"); pen.fill();
    pen.lineWidth = 3; pen.strokeStyle = colour("ground"); pen.lineJoin = "round"; pen.stroke();
    pen.fillStyle = colour("ground"); pen.fillRect(22, 17, 4, 14); pen.fillRect(22, 34, 4, 4);
    return pen.getImageData(0, 0, 48, 48);
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
    return { version: 8, sources: { base: none(), graticule: none(), cells: none(), lamps: none(), faults: none(), chosen: none() }, layers: [...base(), ...lamps()] };
  }
  return { style, faultSign, graticule };
})();
