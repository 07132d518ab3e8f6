// The operator's base map under the wall: pictures or vector tiles, quiet, in the frame they are drawn in.
"use strict";
(() => {
  const told = JSON.parse(document.getElementById("wall-base").textContent);
  const root = getComputedStyle(document.documentElement);
  const colour = (name) => root.getPropertyValue("--" + name).trim();
  const dark = root.colorScheme.includes("dark");

  // WGS-84 to GCJ-02, in which some operators' tiles are drawn; outside China nothing moves.
  function moved([lon, lat, ...rest]) {
    if (lon < 72.004 || lon > 137.8347 || lat < .8293 || lat > 55.8271) return [lon, lat, ...rest];
    const x = lon - 105, y = lat - 35, r = Math.sqrt(Math.abs(x)), { sin, PI } = Math;
    const wave = (20 * sin(6 * x * PI) + 20 * sin(2 * x * PI)) * 2 / 3;
    let n = -100 + 2 * x + 3 * y + .2 * y * y + .1 * x * y + .2 * r + wave;
    n += (20 * sin(y * PI) + 40 * sin(y / 3 * PI)) * 2 / 3 + (160 * sin(y / 12 * PI) + 320 * sin(y * PI / 30)) * 2 / 3;
    let e = 300 + x + 2 * y + .1 * x * x + .1 * x * y + .1 * r + wave;
    e += (20 * sin(x * PI) + 40 * sin(x / 3 * PI)) * 2 / 3 + (150 * sin(x / 12 * PI) + 300 * sin(x / 30 * PI)) * 2 / 3;
    const a = 6378245, f = .00669342162296594323, s = sin(lat / 180 * PI), m = 1 - f * s * s;
    return [lon + e * 180 / (a / Math.sqrt(m) * Math.cos(lat / 180 * PI) * PI), lat + n * 180 / (a * (1 - f) / (m * Math.sqrt(m)) * PI), ...rest];
  }
  const walk = (part) => (typeof part[0] === "number" ? moved(part) : part.map(walk));
  window.pintuWall.shift = told.frame === "GCJ-02" ? (coordinates) => walk(coordinates) : null;

  // The few layers that both common schemas of vector tiles have.
  function drawn(source) {
    const area = (id, layer, filter, fill) => ({ id: "base-" + id, type: "fill", source, "source-layer": layer, ...(filter ? { filter } : {}), paint: { "fill-color": fill } });
    const line = (id, layer, filter, stroke, width) => ({ id: "base-" + id, type: "line", source, "source-layer": layer, ...(filter ? { filter } : {}), layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": stroke, "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 8, .5 * width, 14, 2.2 * width, 18, 12 * width] } });
    const names = (id, layer, place) => ({ id: "base-" + id, type: "symbol", source, "source-layer": layer, layout: { "text-field": ["coalesce", ["get", document.documentElement.lang === "en" ? "name:en" : "name:zh"], ["get", "name"]], "text-font": ["Noto Sans SC Variable"], "text-size": 13, ...(place ? {} : { "symbol-placement": "line" }) }, paint: { "text-color": colour("soft"), "text-halo-color": colour("land"), "text-halo-width": 1.6 } });
    const green = ["in", ["coalesce", ["get", "kind"], ["get", "class"], ""], ["literal", ["park", "forest", "wood", "grass", "nature_reserve", "garden", "cemetery", "wetland"]]];
    return [
      area("landuse", "landuse", green, colour("green")), area("landcover", "landcover", green, colour("green")), area("park", "park", null, colour("green")),
      { ...area("water", "water", ["==", ["geometry-type"], "Polygon"], colour("water")) }, line("waterway", "waterway", null, colour("water"), .8),
      line("roads-case", "roads", null, colour("road-line"), 1.2), line("roads", "roads", null, colour("road"), .9),
      line("transport-case", "transportation", null, colour("road-line"), 1.2), line("transport", "transportation", null, colour("road"), .9),
      line("borders", "boundaries", null, colour("line"), .6), line("borders-too", "boundary", null, colour("line"), .6),
      names("road-names", "roads", false), names("way-names", "transportation_name", false), names("places", "places", true), names("place", "place", true),
    ];
  }

  window.pintuWall.base = (map) => {
    const credit = document.getElementById("wall-credit"), { words } = window.pintuWall.state;
    credit.textContent = [told.credit, told.approval ? words.approval.replace("{n}", told.approval) : ""].filter(Boolean).join(" · ");
    told.layers.forEach((layer, i) => {
      const source = "base-" + i, tiles = [`${location.origin}/api/v1/map/tiles/${i}/{z}/{x}/{y}`];
      map.gl.addSource(source, { type: layer.vector ? "vector" : "raster", tiles, minzoom: layer.min, maxzoom: layer.max, ...(layer.vector ? {} : { tileSize: 256 }) });
      const calm = dark ? { "raster-saturation": -.75, "raster-brightness-max": .45, "raster-contrast": .1 } : { "raster-saturation": -.55, "raster-opacity": .85 };
      const layers = layer.vector ? drawn(source) : [{ id: source, type: "raster", source, paint: { ...calm, "raster-fade-duration": 0 } }];
      for (const one of layers) map.gl.addLayer(one, "district");
    });
    return told.layers.length > 0;
  };
})();
