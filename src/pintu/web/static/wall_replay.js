// Replay: a past hour on the same wall, in the same events (/api/v1/replay), and plainly not now.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("wall-replay"), button = document.getElementById("wall-again");
  if (!form) return;
  const wall = window.pintuWall.now, { words } = window.pintuWall.state, { fill } = window.pintuWall.Lists;
  const { from, span, speed, play, pause, seek, shown, live } = form.elements, said = form.querySelector("p");
  const tz = document.body.dataset.tz;
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: tz, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  let session = null, stream = null, sought = 0, begins = 0;

  // The city's own time in the field, whatever zone this machine is in.
  function local(ms) {
    const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", { timeZone: tz, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).formatToParts(ms).map((one) => [one.type, one.value]));
    return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}`;
  }
  function utc(text) {
    const guess = Date.parse(text + "Z");
    return guess - (Date.parse(local(guess) + "Z") - guess);
  }
  const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");

  function banner() {
    const time = clock.format(wall.replayed);
    const text = session.ended ? words.replayEnd : session.paused ? fill(words.paused, { time }) : fill(words.replayOf, { time, speed: session.speed });
    wall.say(text, "replay");
    shown.value = time;
    seek.setAttribute("aria-valuetext", time);
    if (document.activeElement !== seek || Date.now() - sought > 1500) seek.value = Math.round((wall.replayed - begins) / 1000);
    pause.textContent = session.paused ? form.dataset.goOn : form.dataset.pause;
  }
  function told(one) {
    Object.assign(session, one);
    wall.replayed = one.at_us / 1000;
    banner();
    if (one.why) said.textContent = one.why;
    if (one.reset) stand().catch((error) => { said.textContent = error.message; });
  }
  async function get(path) {
    const answer = await fetch(`/api/v1/replay/${session.session}${path}`);
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || answer.statusText);
    return answer.json();
  }
  // What is told while what stands there is loaded waits, and holds after it.
  let turn = 0, waiting = null;
  function later(deed, one) { if (waiting) waiting.push(() => deed(one)); else deed(one); }
  async function stand() {
    const mine = ++turn, mine_waiting = waiting = [];
    const [now, points] = await Promise.all([get(""), get("/points")]).catch((error) => { if (mine === turn) waiting = null; throw error; });
    if (mine !== turn || !session) return;
    waiting = null;
    wall.state.clear(); wall.points.load(points); wall.rows({ counts: points.counts });
    wall.replayed = now.at_us / 1000;
    wall.state.apply(now);
    if (wall.map) { wall.map.draw(); }
    document.getElementById("map-state").textContent = "";
    mine_waiting.forEach((deed) => deed());
    wall.show(true);
  }
  function follow() {
    stream = new EventSource(`/api/v1/replay/${session.session}/events`);
    const on = (name, deed) => stream.addEventListener(name, (event) => { if (session) deed(JSON.parse(event.data)); });
    on("replay", told);
    on("wall", (one) => { if (one.entities.length || one.gone.length) later(wall.apply, { ...one, ages: undefined }); });
    on("map", (one) => later(wall.rows, { ...one, sent: Date.now() }));
    stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) leave(words.failed); };
  }
  async function begin(ms, fast, length) {
    await end();
    wall.unfollow();
    wall.loaded = false;
    document.body.classList.add("replaying");
    wall.say(fill(words.replayWait, { time: clock.format(ms) }), "replay");
    said.textContent = "";
    try {
      const until = Math.min(ms + length * 60000, Number(wall.ahead() - 1000));
      session = await window.pintu.send("POST", "/api/v1/replay", { at: iso(ms), speed: Number(fast), until: iso(Math.max(until, ms)), paused: false });
      begins = ms;
      seek.max = Math.max(1, Math.round((session.until_us / 1000 - ms) / 1000));
      for (const one of [seek, pause]) one.disabled = false;
      wall.replayed = session.at_us / 1000;
      await stand();
      banner();
      follow();
      const query = new URLSearchParams(location.search);
      query.set("at", iso(ms)); query.set("speed", fast); query.set("minutes", length);
      history.replaceState(null, "", location.pathname + "?" + query + location.hash);
    } catch (error) {
      said.textContent = error.message;
      wall.say(error.message, "lost");
    }
  }
  async function end() {
    if (stream) stream.close();
    stream = null;
    const old = session;
    session = null;
    if (old) await fetch(`/api/v1/replay/${old.session}`, { method: "DELETE", headers: { "X-CSRF-Token": document.body.dataset.csrf || "" } }).catch(() => {});
  }
  async function leave(why) {
    await end();
    document.body.classList.remove("replaying");
    for (const one of [seek, pause]) one.disabled = true;
    shown.value = "";
    const query = new URLSearchParams(location.search);
    for (const name of ["at", "speed", "minutes"]) query.delete(name);
    history.replaceState(null, "", location.pathname + (query.size ? "?" + query : "") + location.hash);
    said.textContent = why || "";
    wall.say(words.loading, "wait");
    wall.follow();
  }
  async function change(what) {
    if (!session) return;
    try { told(await window.pintu.send("POST", `/api/v1/replay/${session.session}`, what)); } catch (error) { said.textContent = error.message; }
  }

  function open(showing) {
    form.hidden = !showing;
    button.setAttribute("aria-expanded", String(showing));
    if (showing && !from.value) from.value = local(wall.city() - 3600000);
    if (showing) from.focus();
  }
  button.addEventListener("click", () => open(form.hidden));
  form.addEventListener("submit", (event) => { event.preventDefault(); begin(utc(from.value), speed.value, Number(span.value)); });
  pause.addEventListener("click", () => change({ paused: !session.paused }));
  speed.addEventListener("change", () => change({ speed: Number(speed.value) }));
  let seeking = 0;
  seek.addEventListener("input", () => {
    sought = Date.now();
    shown.value = clock.format(begins + Number(seek.value) * 1000);
    clearTimeout(seeking);
    seeking = setTimeout(() => change({ at: iso(begins + Number(seek.value) * 1000) }), 300);
  });
  live.addEventListener("click", () => { if (session || !wall.live) leave(""); open(false); button.focus(); });
  addEventListener("pagehide", () => { if (stream) stream.close(); });

  const asked = new URLSearchParams(location.search), at = Date.parse(asked.get("at") || "");
  if (asked.get("at")) {
    if (asked.get("speed")) speed.value = asked.get("speed");
    if (!speed.value) speed.value = "60";
    if (asked.get("minutes")) span.value = asked.get("minutes");
    if (!span.value) span.value = "60";
    open(true);
    if (at) { from.value = local(at); begin(at, speed.value, Number(span.value)); } else leave("");
  }
});
