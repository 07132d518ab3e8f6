// The duty page: rings aloud until somebody has it, is worked by keyboard, and asks the browser to
// ring also while no page is open.
"use strict";
(() => {
  const desk = document.getElementById("desk");
  const rings = document.getElementById("rings");
  const mute = document.getElementById("mute");
  const sounding = document.getElementById("sounding");
  const push = document.getElementById("push");
  const title = document.title;
  const QUIET_MS = 600000;
  const TONES = { critical: [880, 660, 880, 660], high: [784, 587, 784], medium: [659, 523], low: [523], informational: [523] };
  let context = null;
  let quietUntil = 0;
  let known = new Set(each().map((one) => one.dataset.ring));
  let flash = false;

  function each() { return [...rings.querySelectorAll("[data-ring]")]; }
  function worst() { const list = rings.querySelector("[data-worst]"); return list ? list.dataset.worst : ""; }

  function audio() {
    if (!context) context = new AudioContext();
    if (context.state === "suspended") context.resume().catch(() => {});
    return context;
  }

  function tone(at, hertz, seconds) {
    const source = context.createOscillator();
    const volume = context.createGain();
    source.type = "triangle";
    source.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.5, at + 0.03);
    volume.gain.setValueAtTime(0.5, at + seconds - 0.06);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + seconds);
    source.connect(volume).connect(context.destination);
    source.start(at);
    source.stop(at + seconds);
  }

  function sound(severity) {
    audio();
    if (context.state !== "running") return false;
    (TONES[severity] || TONES.high).forEach((hertz, number) => tone(context.currentTime + 0.05 + number * 0.28, hertz, 0.26));
    desk.dataset.sounded = String(Number(desk.dataset.sounded || 0) + 1);
    return true;
  }

  function muted() { return Date.now() < quietUntil; }

  function tell() {
    const blocked = !context || context.state !== "running";
    sounding.textContent = muted() ? desk.dataset.saidMuted : blocked ? desk.dataset.saidBlocked : desk.dataset.saidOn;
    sounding.classList.toggle("worse", muted() || blocked);
    mute.setAttribute("aria-pressed", String(muted()));
  }

  function ring() {
    const waiting = each().length;
    if (waiting && !muted()) {
      sound(worst());
      if (navigator.vibrate && context && context.state === "running") navigator.vibrate([300, 120, 300]);
    }
    flash = waiting ? !flash : false;
    document.title = waiting && flash ? "(" + waiting + ") " + desk.dataset.saidTitle : title;
    tell();
  }

  function silence() {
    quietUntil = muted() ? 0 : Date.now() + QUIET_MS;
    tell();
  }

  // what is new rings although somebody muted what was there before
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== rings) return;
    const now = each().map((one) => one.dataset.ring);
    if (now.some((one) => !known.has(one))) { quietUntil = 0; ring(); }
    known = new Set(now);
    if (!now.length) { document.title = title; flash = false; }
  });

  function move(step) {
    const all = each();
    if (!all.length) return;
    const here = all.indexOf(document.activeElement.closest("[data-ring]"));
    all[(here + step + all.length) % all.length].focus();
  }

  function chosen() { return document.activeElement.closest("[data-ring]") || each()[0]; }

  const KEYS = {
    a: () => { const one = chosen(); if (one) one.querySelector("form.take").requestSubmit(); },
    o: () => { const one = chosen(); const link = one && one.querySelector("a.button"); if (link) location.href = link.href; },
    j: () => move(1),
    k: () => move(-1),
    m: silence,
    t: () => sound(worst() || "high"),
  };
  document.addEventListener("keydown", (event) => {
    audio();
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key.toLowerCase()];
    if (act) { event.preventDefault(); act(); }
    tell();
  });
  document.addEventListener("pointerdown", () => { audio(); setTimeout(tell, 100); });
  mute.addEventListener("click", silence);
  document.getElementById("try").addEventListener("click", () => { quietUntil = 0; sound(worst() || "high"); setTimeout(tell, 100); });

  setInterval(() => {
    for (const mark of rings.querySelectorAll("[data-next]")) {
      const left = Math.max(0, Number(mark.dataset.next) - 1);
      mark.dataset.next = String(left);
      mark.querySelector("[data-left]").textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    }
  }, 1000);
  setInterval(ring, 2500);
  audio();
  ring();

  // --- ringing while no page is open ---------------------------------------------------------------
  function said(on) {
    const words = push.querySelector("span");
    words.textContent = on ? words.dataset.on : words.dataset.off;
    push.setAttribute("aria-pressed", String(on));
  }

  function bytes(text) {
    const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, (one) => one.charCodeAt(0));
  }

  async function subscribe(worker) {
    const { key } = await window.pintu.send("GET", "/api/v1/operations/push");
    const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
    const told = made.toJSON();
    const kept = await window.pintu.send("POST", "/api/v1/operations/push", { endpoint: told.endpoint, keys: told.keys });
    localStorage.setItem("pintu_push", kept.id);
  }

  async function unsubscribe(subscription) {
    await subscription.unsubscribe();
    const id = localStorage.getItem("pintu_push");
    localStorage.removeItem("pintu_push");
    if (id) await window.pintu.send("DELETE", "/api/v1/operations/push/" + encodeURIComponent(id)).catch(() => {});
  }

  async function offer() {
    if (!("serviceWorker" in navigator) || !("PushManager" in window)) return;
    const worker = await navigator.serviceWorker.register("/duty-worker.js", { scope: "/duty" });
    said(Boolean(await worker.pushManager.getSubscription()));
    push.hidden = false;
    push.addEventListener("click", async () => {
      push.disabled = true;
      try {
        const known = await worker.pushManager.getSubscription();
        if (known) { await unsubscribe(known); said(false); window.pintu.say(desk.dataset.saidUnpushed); }
        else { await subscribe(worker); said(true); window.pintu.say(desk.dataset.saidPushed); }
      } catch (error) {
        window.pintu.say(desk.dataset.saidRefused, true);
      } finally {
        push.disabled = false;
      }
    });
  }
  offer().catch(() => {});
})();
