// The lists and figures of the wall: rows that stay where they are while nothing about them changes.
"use strict";
window.pintuWall.Lists = class {
  constructor(choose) {
    this.choose = choose;
    this.at = new Map([...document.querySelectorAll(".wall-list")].map((one) => [one.dataset.list, one]));
    this.most = { incidents: 12, warnings: 6, plans: 6, alarms: 40, orders: 12, streets: 12 };
    const lang = document.documentElement.lang;
    this.number = new Intl.NumberFormat(lang);
    this.clock = new Intl.DateTimeFormat(lang, { timeZone: document.body.dataset.tz, hour: "2-digit", minute: "2-digit", hour12: false });
    const template = document.createElement("template");
    template.innerHTML = '<li class="wall-row"><button type="button"><svg class="sign" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><use></use></svg><span class="wall-title"></span><span class="wall-meta"><b></b> <time></time> <span></span></span></button></li>';
    this.template = template;
    document.querySelector(".wall-side").addEventListener("click", (event) => {
      const row = event.target.closest(".wall-row");
      if (row) this.choose(row.dataset.id);
    });
  }

  static fill(text, values) { return text.replace(/\{(\w+)\}/g, (_, name) => values[name]); }
  age(ms) {
    const { words } = window.pintuWall.state, s = Math.max(0, Math.floor(ms / 1000));
    const [size, unit] = s < 60 ? [1, words.seconds] : s < 3600 ? [60, words.minutes] : s < 172800 ? [3600, words.hours] : [86400, words.days];
    return window.pintuWall.Lists.fill(unit, { n: this.number.format(Math.floor(s / size)) });
  }
  set(node, text) { if (node.textContent !== text) node.textContent = text; }

  show(name, rows, now) {
    const box = this.at.get(name);
    if (!box) return;
    const [list, calm, more] = [box.querySelector("ol"), box.querySelector(".calm"), box.querySelector(".more")];
    const { words, title } = window.pintuWall.state;
    this.set(box.querySelector(".count"), this.number.format(rows.length));
    box.querySelector(".count").classList.toggle("bad", rows.some((row) => this.alarming(row)));
    list.hidden = !rows.length; calm.hidden = !!rows.length;
    const shown = rows.slice(0, this.most[name]), known = new Map([...list.children].map((li) => [li.dataset.id, li]));
    let before = null;
    for (const row of shown) {
      const li = known.get(row.id) || this.template.content.firstElementChild.cloneNode(true);
      known.delete(row.id);
      this.dress(li, row, now, words, title);
      const place = before ? before.nextElementSibling : list.firstElementChild;
      if (place !== li) list.insertBefore(li, place);
      before = li;
    }
    for (const li of known.values()) li.remove();
    this.set(more, rows.length > shown.length ? window.pintuWall.Lists.fill(words.more, { n: this.number.format(rows.length - shown.length) }) : "");
  }

  alarming(row) { return (row.type === "Incident" || row.type === "Alert") && row.order < 3; }
  dress(li, row, now, words, title) {
    li.dataset.id = row.id; li.dataset.severity = row.severity; li.dataset.type = row.type;
    li.classList.toggle("red", this.alarming(row));
    li.classList.toggle("new", row.type === "Incident" && row.status === "open");
    const sign = row.type === "Alert" && row.order > 2 ? "points" : row.list;
    const use = li.querySelector("use");
    if (use.getAttribute("href") !== "#sign-" + sign) use.setAttribute("href", "#sign-" + sign);
    this.set(li.querySelector(".wall-title"), title(row));
    this.set(li.querySelector("b"), row.type === "Incident" || row.type === "Alert" || row.type === "PublicWarning" ? words.severity[row.severity] : row.status_text);
    const time = li.querySelector("time");
    this.set(time, row.since ? "· " + this.age(now - row.since) : "");
    const iso = row.since ? new Date(row.since).toISOString() : "";
    if (time.dateTime !== iso) time.dateTime = iso;
    const fill = window.pintuWall.Lists.fill;
    const told = [row.type === "Incident" && row.count ? fill(words.alarms, { n: row.count }) : "", row.type === "Incident" || row.type === "Alert" ? row.status_text : "", row.until && row.type !== "Alert" ? fill(words.until, { time: this.clock.format(row.until) }) : "", row.type === "Alert" ? row.said : ""];
    this.set(li.querySelector(".wall-meta > span"), told.filter(Boolean).map((one) => "· " + one).join(" "));
  }

  tile(name, value, beside, bad) {
    const tile = document.querySelector(`[data-tile="${name}"]`);
    this.set(tile.querySelector("b"), typeof value === "number" ? this.number.format(value) : value);
    this.set(tile.querySelector("dd span"), beside || "");
    tile.classList.toggle("bad", !!bad);
  }

  figures(lists, told, now) {
    const { words } = window.pintuWall.state, fill = window.pintuWall.Lists.fill, n = (count) => ({ n: this.number.format(count) });
    const worst = lists.incidents[0];
    this.tile("incidents", lists.incidents.length, worst ? fill(words.worst, { word: words.severity[worst.severity] }) : words.calm, worst && worst.order < 3);
    this.tile("alarms", lists.alarms.length + lists.grouped.length, lists.grouped.length ? fill(words.inside, n(lists.grouped.length)) : "", lists.alarms.some((row) => row.order < 3));
    this.tile("warnings", lists.warnings.length, lists.warnings[0] ? words.severity[lists.warnings[0].severity] : "");
    const late = lists.orders.filter((row) => row.until && row.until < now).length;
    this.tile("orders", lists.orders.length, late ? fill(words.late, n(late)) : "");
    this.tile("streets", lists.streets.length, lists.unwatched ? fill(words.unwatched, { n: Math.round(100 * lists.unwatched / lists.all_streets) + " %" }) : "");
    if (!told) { // what a replay cannot tell is not told
      for (const name of ["commands", "sources", "changes"]) this.tile(name, "–", "");
      return;
    }
    this.tile("commands", told.commands, told.unanswered ? fill(words.unanswered, n(told.unanswered)) : "");
    this.tile("sources", told.sources - told.silent, fill(told.silent ? words.silent : words.ofAll, n(told.silent || told.sources)));
  }
};
