// What every page does: the live connection, ages that grow, the look, buttons that act.
"use strict";
(() => {
  const notice = document.getElementById("notice");
  const csrf = document.body.dataset.csrf || "";
  const lang = document.documentElement.lang;

  function say(text, stay) {
    notice.textContent = text;
    clearTimeout(say.timer);
    if (!stay) say.timer = setTimeout(() => { notice.textContent = ""; }, 5000);
  }

  function tell(name, detail) {
    document.body.dispatchEvent(new CustomEvent("pintu:" + name, { detail, bubbles: true }));
  }

  async function send(method, address, body) {
    const headers = { "Accept": "application/json" };
    if (csrf) headers["X-CSRF-Token"] = csrf;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(address, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    const told = text ? JSON.parse(text) : null;
    if (!answer.ok) throw new Error((told && (told.detail || told.title)) || answer.statusText);
    return told;
  }

  // One live connection a page; it comes back by itself, going on from the last event it had.
  function listen(parameters, handlers) {
    const stream = new EventSource("/events?" + new URLSearchParams(parameters));
    let lost = false;
    stream.onopen = () => { if (lost) say(""); lost = false; };
    stream.onerror = () => { lost = true; say(notice.dataset.lost, true); };
    for (const name of ["hello", "resync", "map", "alerts", "entity", "command", "sources", "wall", "duty"]) {
      stream.addEventListener(name, (event) => {
        const data = JSON.parse(event.data);
        if (handlers[name]) handlers[name](data, event.lastEventId);
        tell(name, data);
      });
    }
    return stream;
  }

  const steps = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const relative = new Intl.RelativeTimeFormat(lang, { numeric: "always", style: lang.startsWith("zh") ? "short" : "long" });
  // The city's clock may run at another rate than ours: only ages that the server just told grow here.
  function grow() {
    for (const mark of document.querySelectorAll("time[data-age]")) {
      const born = Date.parse(mark.dateTime);
      if (!Number.isFinite(born)) continue;
      const seconds = (Date.now() - born) / 1000;
      if (seconds < 1 || seconds > 8640000) continue;
      const [size, unit] = steps.find(([size]) => seconds >= size);
      mark.textContent = relative.format(-Math.floor(seconds / size), unit);
    }
  }
  if (!("cityClock" in document.body.dataset)) setInterval(grow, 5000);

  for (const link of document.querySelectorAll("a[data-keep-query]")) {
    const here = new URLSearchParams(location.search);
    here.set("lang", link.hreflang);
    link.href = location.pathname + "?" + here;
  }
  const theme = document.getElementById("theme");
  theme.addEventListener("click", () => {
    document.cookie = `pintu_theme=${theme.dataset.next}; path=/; max-age=31536000; samesite=lax`;
    location.reload();
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) { event.preventDefault(); document.getElementById("find").focus(); }
    if (event.key === "Escape") document.getElementById("found").replaceChildren();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".find")) document.getElementById("found").replaceChildren();
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-act]");
    if (!button) return;
    if (button.dataset.sure && !confirm(button.dataset.sure)) return;
    button.disabled = true;
    try {
      const told = await send(button.dataset.act, button.dataset.to);
      if (told && told.quarantined) { say(button.dataset.still + " " + (told.errors || []).join("; ")); return; }
      say(button.dataset.done);
      setTimeout(() => { location.href = "/quarantine"; }, 700);
    } catch (error) {
      say(notice.dataset.failed + ": " + error.message);
    } finally {
      button.disabled = false;
    }
  });
  document.body.addEventListener("htmx:configRequest", (event) => {
    if (csrf) event.detail.headers["X-CSRF-Token"] = csrf;
  });
  document.body.addEventListener("htmx:sendError", () => say(notice.dataset.offline));

  const here = document.querySelector(".rail [aria-current]");
  if (here && here.parentElement.scrollWidth > here.parentElement.clientWidth) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.clientWidth / 2;
  const live = document.querySelector("[data-stream]");
  window.pintu = { send, say, listen, tell };
  if (live) listen({ topics: live.dataset.stream, entity: live.dataset.entity || "" }, {});
})();
