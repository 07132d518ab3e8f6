// A crew's orders on a phone: what is done is kept in the browser first and sent when there is a network.
"use strict";
(() => {
  const root = document.getElementById("phone");
  const said = JSON.parse(document.getElementById("said").textContent);
  const person = root.dataset.person;
  const lang = document.documentElement.lang;
  let told = JSON.parse(document.getElementById("told").textContent);
  let csrf = told.csrf;
  let sending = false, asking = "", network = true, stopped = "";

  // --- what is kept in the browser: deeds that are not sent, and the newest list --------------------
  const opened = new Promise((yes, no) => {
    const request = indexedDB.open("pintu-orders", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("deeds", { keyPath: "key" });
      request.result.createObjectStore("lists", { keyPath: "person" });
    };
    request.onsuccess = () => yes(request.result);
    request.onerror = () => no(request.error);
  });
  async function within(store, mode, work) {
    const held = await opened;
    return new Promise((yes, no) => {
      const change = held.transaction(store, mode);
      const asked = work(change.objectStore(store));
      change.oncomplete = () => yes(asked && asked.result);
      change.onerror = change.onabort = () => no(change.error);
    });
  }
  const deeds = async () => (await within("deeds", "readonly", (one) => one.getAll())).sort((a, b) => a.at - b.at || a.turn - b.turn);
  const put = (deed) => within("deeds", "readwrite", (one) => one.put(deed));
  const drop = (key) => within("deeds", "readwrite", (one) => one.delete(key));

  // --- what an order will be once its waiting deeds are sent -----------------------------------------
  function ahead(order, waiting) {
    let now = { ...order, unsent: 0 };
    for (const deed of waiting.filter((one) => one.order === order.id && !one.refused)) {
      const next = said.after[now.state + "/" + deed.verb];
      if (next) now = { ...now, before: deed.verb === "suspend" ? now.state : now.before, state: next === "before" ? now.before : next };
      now.reason = deed.verb === "suspend" ? deed.reason : deed.verb === "resume" ? "" : now.reason;
      now.unsent += 1;
    }
    return { ...now, deeds: now.unsent ? said.offered[now.state] || [] : order.deeds };
  }

  // --- drawing ----------------------------------------------------------------------------------------
  function make(tag, name, text) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function button(title, main, act) {
    const made = make("button", "button" + (main ? " main" : ""), title);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }
  function far(metres) {
    const [text, n] = metres >= 1000 ? [said.kilometres, (metres / 1000).toFixed(1)] : [said.metres, metres];
    return text.replace("%(n)s", n);
  }
  function job(order) {
    const box = make("section", "job" + (order.late ? " late" : "") + (order.unsent ? " unsent" : ""));
    box.dataset.order = order.id;
    const title = make("h3", "", order.what + " · " + order.where);
    title.id = "job-" + order.id;
    box.setAttribute("aria-labelledby", title.id);
    const row = make("p", "row");
    const state = make("span", "tag stand", said.states[order.state]);
    state.dataset.word = order.state;
    const grade = make("span", "grade", order.severity_said);
    grade.dataset.word = order.severity;
    row.append(state, grade);
    if (order.unsent) row.append(make("span", "tag", said.waiting));
    box.append(title, row);
    if (order.state === "suspended" && order.reason) box.append(make("p", "said", order.reason));
    const list = make("dl");
    for (const one of order.unsent ? [] : order.deadlines) {
      const line = make("div");
      line.append(make("dt", "", one.title), make("dd", "", one.said));
      list.append(line);
    }
    if (list.children.length) box.append(list);
    if (order.place) {
      const way = make("p", "row");
      const link = make("a", "", said.map);
      link.href = "geo:" + order.place[1] + "," + order.place[0];
      way.append(link);
      if (order.metres) way.append(make("span", "meta", far(order.metres)));
      box.append(way);
    }
    box.append(asking.startsWith(order.id + "/") ? reasonForm(order) : buttons(order));
    return box;
  }
  function buttons(order) {
    const row = make("div", "deeds");
    order.deeds.forEach((verb, n) => {
      const asks = said.needs.includes(verb);
      row.append(button(said.verbs[verb], n === 0, () => {
        if (asks || said.asks[verb]) { asking = order.id + "/" + verb; draw().then(() => document.getElementById("reason").focus()); }
        else done(order.id, verb, "");
      }));
    });
    return row;
  }
  function reasonForm(order) {
    const verb = asking.split("/")[1];
    const form = make("form");
    const label = make("label", "", said.asks[verb] || "");
    label.htmlFor = "reason";
    const text = make("textarea");
    text.id = "reason"; text.maxLength = 500; text.required = said.needs.includes(verb);
    const send = make("button", "button main", said.verbs[verb]);
    const row = make("div", "deeds");
    row.append(send, button(said.back, false, () => { asking = ""; draw(); }));
    form.append(label, text, row);
    form.addEventListener("submit", (event) => { event.preventDefault(); done(order.id, verb, text.value.trim()); });
    return form;
  }
  async function draw() {
    const all = await deeds();
    const mine = all.filter((one) => one.person === person);
    const box = document.getElementById("orders");
    const shown = document.createDocumentFragment();
    let count = 0;
    for (const crew of told.crews) {
      shown.append(make("h2", "", crew.name + (crew.works ? "" : " · " + said.resting)));
      for (const one of crew.orders.map((order) => ahead(order, mine))) {
        if (one.state === "open" || one.state === "closed") continue;  // given back on this phone
        shown.append(job(one));
        count += 1;
      }
    }
    if (!told.crews.length) shown.append(make("p", "panel", said.no_crew));
    else if (!count) shown.append(make("p", "panel", said.none));
    const text = document.getElementById("reason");
    const typed = text ? text.value : "";
    box.replaceChildren(shown);
    if (typed && document.getElementById("reason")) document.getElementById("reason").value = typed;
    document.getElementById("how-many").textContent = String(count);
    const waiting = mine.filter((one) => !one.refused).length;
    const queued = document.getElementById("queued");
    queued.hidden = !waiting && !stopped;
    queued.textContent = [waiting ? said.queued.replace("%(n)s", waiting) : "", stopped].filter(Boolean).join(" ");
    if (all.some((one) => one.person !== person)) { queued.hidden = false; queued.textContent += " " + said.other; }
    document.getElementById("refused").replaceChildren(...mine.filter((one) => one.refused).map(refusal));
    const at = new Date(told.at).toLocaleTimeString(lang, { hour12: false, timeZone: document.body.dataset.tz });
    document.getElementById("as-of").textContent = said.as_of.replace("%(time)s", at);
    const line = document.getElementById("network");
    line.textContent = sending ? said.sending : network ? (waiting ? "" : said.online) : said.offline;
    line.dataset.off = network ? "0" : "1";
  }
  function refusal(deed) {
    const box = make("section", "panel bad");
    box.append(make("p", "", said.refused + ": " + said.verbs[deed.verb] + " · " + deed.order), make("p", "", deed.refused));
    box.append(button(said.understood, false, () => drop(deed.key).then(draw)));
    return box;
  }

  // --- doing, sending, asking ---------------------------------------------------------------------------
  let turn = 0;
  async function done(order, verb, reason) {
    asking = "";
    turn += 1;
    await put({ key: crypto.randomUUID ? crypto.randomUUID() : Date.now() + "-" + Math.random(), person, order, verb, reason, at: Date.now(), turn });
    await draw();
    await send();
  }
  async function send() {
    if (sending) return;
    sending = true;
    stopped = "";
    try {
      if (!(await refresh())) return;
      for (const deed of (await deeds()).filter((one) => one.person === person && !one.refused)) {
        const answer = await fetch("/api/v1/operations/orders/" + deed.order + "/deeds", {
          method: "POST",
          headers: { "Content-Type": "application/json", "Accept": "application/json", "X-CSRF-Token": csrf },
          body: JSON.stringify({ verb: deed.verb, key: deed.key, reason: deed.reason, ago_s: Math.max(0, (Date.now() - deed.at) / 1000) }),
        });
        if (answer.status >= 500 || answer.status === 429) return;
        if (answer.status === 401) { stopped = said.signed_out; return; }
        if (answer.ok) await drop(deed.key);
        else await put({ ...deed, refused: ((await answer.json().catch(() => ({}))).detail || answer.statusText) });
      }
      await refresh();
    } catch {
      network = false;
    } finally {
      sending = false;
      await draw();
    }
  }
  async function refresh() {
    const answer = await fetch("/my-orders/list.json", { headers: { "Accept": "application/json" }, cache: "no-store" });
    network = true;
    if (!answer.ok || answer.redirected) {
      if (answer.status < 500) stopped = said.signed_out;
      return false;
    }
    const newest = await answer.json();
    if (newest.person !== person) { location.reload(); return false; }
    told = newest;
    csrf = newest.csrf;
    await within("lists", "readwrite", (one) => one.put(told));
    return true;
  }

  async function begin() {
    const kept = await within("lists", "readonly", (one) => one.get(person));
    if (kept && kept.at > told.at) told = kept;
    await draw();
    await send();
  }
  window.addEventListener("online", send);
  window.addEventListener("offline", () => { network = false; draw(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) send(); });
  setInterval(() => { if (!document.hidden && !asking) send(); }, 15000);
  document.addEventListener("submit", (event) => {
    if (!event.target.action.endsWith("/sign-out")) return;
    within("lists", "readwrite", (one) => one.clear());
    if (navigator.serviceWorker && navigator.serviceWorker.controller) navigator.serviceWorker.controller.postMessage("forget");
  });
  if (navigator.serviceWorker) navigator.serviceWorker.register(root.dataset.worker, { scope: "/my-orders" }).catch(() => undefined);
  begin();
})();
