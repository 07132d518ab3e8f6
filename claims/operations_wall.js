// A day of the wall: what a city would tell its page, minute by minute.
([day, points]) => {
  const wall = pintuWall.now, now = Date.now() + day * 86400000, said = (value) => ({ type: "Property", value });
  const moment = (ms) => said({ "@type": "DateTime", "@value": new Date(ms).toISOString() });
  const at = (n) => ({ type: "GeoProperty", value: { type: "Point", coordinates: [120.17 + n * 7919 % 97 / 1400, 30.18 + n * 104729 % 89 / 1800] } });
  const make = (type, n, status, ms, more) => ({ id: `urn:ngsi-ld:${type}:week:${n}`, type, status: said(status), severity: said(["low", "medium", "high"][n % 3]), subCategory: said("failed"), name: said(`${type} ${n} 演示`), description: said("demo " + "x".repeat(n % 200)), dateIssued: moment(ms), location: at(n), ...more });
  for (let minute = 0; minute < 1440; minute += 1) {
    const ms = now + minute * 60000, n = day * 1440 + minute, entities = [], gone = [];
    for (const k of [2 * n, 2 * n + 1]) entities.push(make("Alert", k, "open", ms, k % 5 ? {} : { validTo: moment(ms + 600000) }));
    for (const k of [2 * n - 20, 2 * n - 19]) if (k % 5) entities.push(make("Alert", k, "cleared", ms, {}));
    if (n % 10 === 0) entities.push(make("Incident", n, "open", ms, { affects: { type: "Relationship", object: [`urn:x:${n}`, `urn:x:${n + 1}`] }, alertCount: said(n % 50) }));
    if (n % 10 === 5) { if (n % 20 === 5) entities.push(make("Incident", n - 5, "closed", ms, {})); else gone.push(`urn:ngsi-ld:Incident:week:${n - 5}`); }
    wall.apply({ entities, gone, at_us: ms * 1000 });
    wall.state.expire(ms);
    const rows = [];
    for (let k = 0; k < 300; k += 1) rows.push((n * 300 + k * 17) % points, (n + k) % 4, k % 100, 20);
    wall.rows({ rows, gone: [], counts: wall.points.counts, sent: Date.now() });
    if (minute % 15 === 0) wall.show(true);
  }
  wall.show(true);
  return { rows: wall.state.rows.size, fresh: wall.points.fresh.size };
}
