// Every point of the city in columns by row: 60,000 take 1.4 MB, and a change is two bytes.
"use strict";
window.pintuWall.Points = class {
  constructor(looks) { this.looks = looks; this.clear(); }

  clear() {
    this.ids = new Map(); this.row_of = new Map(); this.lon = new Int32Array(0); this.lat = new Int32Array(0);
    this.state = new Uint8Array(0); this.level = new Uint8Array(0); this.there = new Uint8Array(0);
    this.top = 0; this.counts = []; this.fresh = new Map(); this.alarmed = new Set();
  }

  // The answer of /api/v1/wall/points.
  load(data) {
    this.clear();
    const rows = data.rows || [];
    this.top = rows.length ? rows[rows.length - 1] + 1 : 0;
    this.lon = new Int32Array(this.top); this.lat = new Int32Array(this.top);
    this.state = new Uint8Array(this.top); this.level = new Uint8Array(this.top); this.there = new Uint8Array(this.top);
    rows.forEach((row, i) => {
      this.there[row] = 1; this.lon[row] = data.lon[i]; this.lat[row] = data.lat[i]; this.state[row] = data.state[i]; this.level[row] = data.level[i];
      this.ids.set(row, data.prefix + data.ids[i]); this.row_of.set(data.prefix + data.ids[i], row);
      if (this.looks[data.state[i]].alarm) this.alarmed.add(row);
    });
    this.counts = data.counts;
  }

  // [row, state, level, age…] of a map event; how many rows nobody knew.
  apply(flat, gone, now) {
    let strange = 0;
    for (let i = 0; i < flat.length; i += 4) {
      const row = flat[i], state = flat[i + 1];
      if (row >= this.top || !this.there[row]) { strange += 1; continue; }
      this.state[row] = state; this.level[row] = flat[i + 2];
      if (this.looks[state].alarm) this.alarmed.add(row); else this.alarmed.delete(row);
      this.fresh.delete(row);
      this.fresh.set(row, now);
    }
    for (const row of gone || []) if (row < this.top) { this.there[row] = 0; this.row_of.delete(this.ids.get(row)); this.ids.delete(row); this.alarmed.delete(row); this.fresh.delete(row); }
    return strange;
  }

  // Rows that changed since a moment; older ones are forgotten.
  recent(since, most) {
    for (const [row, at] of this.fresh) { if (at >= since) break; this.fresh.delete(row); }
    return [...this.fresh.keys()].slice(-most);
  }

  // Where a thing stands, [lon, lat]; null when it is not on the map.
  at(id) {
    const row = this.row_of.get(id);
    return row === undefined ? null : [this.lon[row] / 1e6, this.lat[row] / 1e6];
  }

  within([west, south, east, north], hidden, most) {
    const found = [], [w, s, e, n] = [west, south, east, north].map((side) => Math.round(side * 1e6));
    for (let row = 0; row < this.top; row += 1) {
      if (!this.there[row] || hidden.has(this.state[row])) continue;
      const x = this.lon[row], y = this.lat[row];
      if (x < w || x > e || y < s || y > n) continue;
      if (found.push(row) > most) return null;
    }
    return found;
  }

  // Counts on a grid of `size` millionths of a degree: [lon, lat, count, most frequent look].
  cells([west, south, east, north], size, hidden) {
    const [w, s, e, n] = [west, south, east, north].map((side) => Math.round(side * 1e6));
    const found = new Map();
    for (let row = 0; row < this.top; row += 1) {
      const state = this.state[row];
      if (!this.there[row] || hidden.has(state)) continue;
      const x = this.lon[row], y = this.lat[row];
      if (x < w || x > e || y < s || y > n) continue;
      const key = (Math.floor(x / size) + 1048576) * 2097152 + Math.floor(y / size) + 1048576;
      let cell = found.get(key);
      if (!cell) found.set(key, cell = { n: 0, x: 0, y: 0, by: new Uint32Array(this.looks.length) });
      cell.n += 1; cell.x += x; cell.y += y; cell.by[state] += 1;
    }
    return [...found.values()].map((cell) => [cell.x / cell.n, cell.y / cell.n, cell.n, cell.by.indexOf(Math.max(...cell.by))]);
  }
};
