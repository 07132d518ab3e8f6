// Sound and keys of the wall: each can be switched off, and stays so on this machine.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const wall = () => window.pintuWall.now;
  const { words, title } = window.pintuWall.state;
  const kept = (name) => { try { return localStorage.getItem("pintu_wall_" + name); } catch (error) { return null; } };
  const keep = (name, value) => { try { localStorage.setItem("pintu_wall_" + name, value); } catch (error) { /* a browser that keeps nothing */ } };
  const button = document.getElementById("wall-mute");
  let muted = kept("mute") === "1", context = null, keys = kept("keys") !== "0", last = 0;

  function told() {
    button.setAttribute("aria-pressed", String(muted));
    const blocked = !muted && (!context || context.state !== "running");
    button.querySelector("span").textContent = muted ? words.muted : words.sounding;
    button.title = blocked ? words.blocked : "";
    button.classList.toggle("blocked", blocked);
  }
  function awake() {
    if (muted || (context && context.state === "running")) return;
    context = context || new AudioContext();
    context.resume().then(told, () => {});
  }
  function tone(at, hertz) {
    const voice = context.createOscillator(), loud = context.createGain();
    voice.frequency.value = hertz;
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(.25, at + .03);
    loud.gain.exponentialRampToValueAtTime(.001, at + .6);
    voice.connect(loud).connect(context.destination);
    voice.start(at); voice.stop(at + .65);
  }
  // A new incident is said to who listens and to who reads with ears; forty of them sound once.
  function play(row) {
    window.pintu.say(words.newIncident.replace("{title}", title(row)));
    if (muted || row.order > 2 || !context || context.state !== "running" || Date.now() - last < 3000) return;
    last = Date.now();
    [0, .25, .5].forEach((later, i) => tone(context.currentTime + later, row.order === 0 ? 880 : 660 - 110 * i));
  }
  wall().sounds = { play, muted: () => muted };
  function mute() { muted = !muted; keep("mute", muted ? "1" : "0"); awake(); told(); }
  button.addEventListener("click", mute);
  addEventListener("pointerdown", awake, { once: true });
  addEventListener("keydown", awake, { once: true });
  told();

  function night() {
    const dark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
    document.cookie = `pintu_theme=${dark ? "light" : "dark"}; path=/; max-age=31536000; samesite=lax`;
    location.reload();
  }
  function full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {});
  }
  const whole = () => { if (wall().map) wall().map.whole(); };
  document.getElementById("wall-night").addEventListener("click", night);
  document.getElementById("wall-full").addEventListener("click", full);
  document.getElementById("wall-whole").addEventListener("click", whole);

  const help = document.getElementById("wall-help"), off = document.getElementById("wall-keys-off");
  function keyed() { off.textContent = keys ? words.keysOn : words.keysOff; off.setAttribute("aria-pressed", String(keys)); document.body.classList.toggle("no-keys", !keys); }
  off.addEventListener("click", () => { keys = !keys; keep("keys", keys ? "1" : "0"); keyed(); });
  document.getElementById("wall-keys").addEventListener("click", () => help.showModal());
  document.getElementById("wall-help-close").addEventListener("click", () => help.close());
  keyed();

  function step(by) {
    const rows = [...document.querySelectorAll(".wall-row > button")].filter((one) => one.offsetParent);
    if (!rows.length) return;
    const here = rows.indexOf(document.activeElement);
    rows[here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, here + by))].focus();
  }
  function page() {
    const row = document.activeElement.closest(".wall-row");
    const found = row ? wall().state.rows.get(row.dataset.id) : wall().chosen();
    if (found) location.href = wall().page(found);
  }
  const layers = { 1: "incidents", 2: "alarms", 3: "warnings", 4: "orders", 5: "streets", 6: "points" };
  const deeds = { j: () => step(1), k: () => step(-1), o: page, m: mute, n: night, f: full, 0: whole, "?": () => help.showModal(), r: () => { const one = document.getElementById("wall-again"); if (one) one.click(); } };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !help.open) wall().choose("");
    if (!keys || help.open || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const deed = deeds[event.key.toLowerCase()] || (layers[event.key] && (() => wall().toggle(layers[event.key])));
    if (!deed) return;
    event.preventDefault();
    deed();
  });
});
