// The time slider of the map: how everything stood at a moment; at its right end the map lives.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("when");
  const seen = window.pintu.map;
  if (!form || !seen || !seen.go) return;
  const { reach, back, shown, live } = form.elements;
  const said = form.querySelector(".when-said");
  const HOUR = 3600000;
  const spoken = new Intl.DateTimeFormat(document.documentElement.lang, {
    timeZone: document.body.dataset.tz, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false,
  });
  const ahead = Number(form.dataset.clock) - Date.now(); // the city's clock, which may not be this machine's

  // The moment of the slider, to the minute; null at its right end.
  function moment() {
    const steps = Number(back.max) - Number(back.value);
    if (!steps) return null;
    const ago = Number(reach.value) * HOUR * steps / Number(back.max);
    return new Date(Math.floor((Date.now() + ahead - ago) / 60000) * 60000);
  }

  function label() {
    const at = moment();
    shown.value = at ? spoken.format(at) : form.dataset.now;
    back.setAttribute("aria-valuetext", shown.value);
    live.hidden = !at;
    form.classList.toggle("past", !!at);
    return at;
  }

  let waiting = 0;
  function ask() {
    const at = label();
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      said.textContent = at ? form.dataset.loading : "";
      seen.go(at ? at.toISOString().replace(".000Z", "Z") : "");
    }, 250);
  }

  seen.told = (wrong) => { said.textContent = wrong || (seen.at ? form.dataset.ago : ""); };
  back.addEventListener("input", ask);
  reach.addEventListener("change", () => { if (moment()) ask(); });
  live.addEventListener("click", () => { back.value = back.max; ask(); back.focus(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  label();
});
