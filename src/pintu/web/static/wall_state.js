// What is on the wall: entities of its types read into small rows, kept by events, live and replayed alike.
"use strict";
window.pintuWall = window.pintuWall || {};
window.pintuWall.state = (() => {
  const lang = document.documentElement.lang;
  const words = JSON.parse(document.getElementById("wall-words").textContent);
  const codes = JSON.parse(document.getElementById("wall-codes").textContent);
  const SEVERITIES = ["critical", "high", "medium", "low", "informational"];
  const LISTS = { Incident: "incidents", Alert: "alarms", PublicWarning: "warnings", ResponsePlan: "plans", WorkOrder: "orders", RoadSegment: "streets" };
  const rules = JSON.parse(document.getElementById("wall-rules").textContent); // web/wall/shown.py
  const USUAL = new Set(["", "normal", "open"]);

  function value(entity, name) {
    let one = entity[name];
    if (Array.isArray(one)) one = one.find((part) => !part.datasetId) || one[0];
    if (one === null || typeof one !== "object") return one;
    for (const member of ["value", "object", "languageMap", "vocab", "json", "valueList", "objectList"]) if (member in one) return one[member];
    return undefined;
  }
  function first(entity, ...names) {
    for (const name of names) {
      const found = value(entity, name);
      if (found !== undefined && found !== null && found !== "") return found;
    }
    return undefined;
  }
  function said(found) {
    if (found === undefined || found === null) return "";
    if (typeof found === "object") return String(found[lang] || found[lang.slice(0, 2)] || found[Object.keys(found).find((key) => key.slice(0, 2) === lang.slice(0, 2))] || found["@none"] || found.en || Object.values(found)[0] || "");
    return String(found);
  }
  function moment(entity, ...names) {
    const found = first(entity, ...names);
    return Date.parse(found && typeof found === "object" ? found["@value"] : found) || 0;
  }
  const coded = (type, attribute, word) => (codes[`${type}.${attribute}`] || {})[word] || word;
  const short = (id) => id.slice(id.lastIndexOf(":") + 1);

  function places(geometry, found = []) {
    if (!geometry) return found;
    if (geometry.type === "GeometryCollection") geometry.geometries.forEach((one) => places(one, found));
    else {
      const walk = (part) => (typeof part[0] === "number" ? found.push(part) : part.forEach(walk));
      if (Array.isArray(geometry.coordinates) && geometry.coordinates.length) walk(geometry.coordinates);
    }
    return found;
  }
  function middle(geometry) {
    const all = places(geometry);
    if (!all.length) return null;
    if (geometry.type === "LineString") return all[Math.floor(all.length / 2)];
    const [lon, lat] = all.reduce((sum, one) => [sum[0] + one[0], sum[1] + one[1]], [0, 0]);
    return [lon / all.length, lat / all.length];
  }

  const state_name = (entity) => rules.states.find((name) => typeof value(entity, name) === "string") || "status";
  function over(entity, type, now) {
    if ((rules.over[type] || []).includes(value(entity, state_name(entity)))) return true;
    if (!rules.ending.includes(type)) return false;
    const until = moment(entity, "validTo");
    return until > 0 && until <= now;
  }

  // A row: all that the lists and the map need of an entity, and no more (the wall stays open for a week).
  function read(entity) {
    const types = [].concat(entity.type);
    const type = types.find((one) => LISTS[one]);
    if (!type) return null;
    const geometry = first(entity, "area", "location") || null;
    const at = middle(value(entity, "location")) || middle(geometry);
    let severity = said(first(entity, "severity")) || "medium";
    if (!SEVERITIES.includes(severity)) severity = "medium";
    const kind = said(first(entity, "subCategory", "category"));
    const stated = state_name(entity), status = said(value(entity, stated));
    const row = {
      id: entity.id, type, list: LISTS[type], severity, status, order: SEVERITIES.indexOf(severity), kind,
      status_text: coded(type, stated, status),
      name: said(first(entity, "name", "roadName")), said: said(first(entity, "description", "summary")).slice(0, 240),
      since: moment(entity, "dateIssued", "stateSince", "validFrom", "dateObserved"),
      until: moment(entity, "validTo", "dateDue"), about: said([].concat(first(entity, "alertTarget", "alertSource", "refDevice", "orderTarget", "refCause") || "")[0]),
      count: first(entity, "alertCount") || 0, who: said(first(entity, "crew")), at, lines: geometry && geometry.type !== "Point" ? geometry : null,
      watched: first(entity, "coverage"),
    };
    if (type === "Incident") row.members = [].concat(first(entity, "affects") || []); // alarms about these are inside it
    return row;
  }
  const title = (row) => row.name || (codes.kind[row.kind] || coded(row.type, "subCategory", row.kind)) || coded(row.type, "category", row.kind) || `${codes.type[row.type] || row.type} ${short(row.id)}`;

  class State {
    constructor() { this.rows = new Map(); this.version = 0; this.grouped = new Map(); this.now = 0; }
    clear() { this.rows.clear(); this.grouped.clear(); this.version += 1; }
    // An event {entities, gone, at_us}; returns the rows that are new and not over.
    apply(event) {
      const fresh = [];
      this.now = Math.max(this.now, Math.floor((event.at_us || 0) / 1000));
      for (const id of event.gone || []) this.drop(id);
      for (const entity of event.entities || []) {
        const row = read(entity);
        if (!row) continue;
        const known = this.rows.get(row.id);
        if (over(entity, row.type, this.now)) { if (known) this.drop(row.id); continue; }
        if (known && known.members) for (const one of known.members) this.grouped.delete(one);
        for (const one of row.members || []) this.grouped.set(one, row.id);
        this.rows.set(row.id, row);
        if (!known) fresh.push(row);
      }
      this.version += 1;
      return fresh;
    }
    drop(id) {
      const known = this.rows.get(id);
      if (known && known.members) for (const one of known.members) if (this.grouped.get(one) === id) this.grouped.delete(one);
      this.rows.delete(id);
    }
    // What ended by its own time, without anybody telling.
    expire(now) {
      this.now = now;
      for (const row of this.rows.values()) if (rules.ending.includes(row.type) && row.until && row.until <= now) { this.drop(row.id); this.version += 1; }
    }
    inIncident(row) { return this.grouped.has(row.about); }
    unusual(row) { return !USUAL.has(row.status); }
    // The rows of each list, worst first, then newest.
    lists(least) {
      const found = { incidents: [], alarms: [], warnings: [], plans: [], orders: [], streets: [], grouped: [] };
      let unwatched = 0, streets = 0;
      for (const row of this.rows.values()) {
        if (row.type === "RoadSegment") {
          streets += 1;
          if (row.watched === 0) unwatched += 1;
          if (!this.unusual(row)) continue;
        }
        row.inside = row.type === "Alert" && this.inIncident(row);
        if (row.inside) found.grouped.push(row);
        else if (row.order <= least || row.type === "RoadSegment" || row.type === "WorkOrder") found[row.list].push(row);
      }
      for (const rows of Object.values(found)) rows.sort((a, b) => a.order - b.order || b.since - a.since || (a.id < b.id ? -1 : 1));
      return { ...found, unwatched, all_streets: streets };
    }
  }
  return { State, title, rules, words, codes, SEVERITIES, short };
})();
