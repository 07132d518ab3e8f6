// Connecting a source: a file sent with its progress, a question before forgetting, a hint while looking.
"use strict";
(() => {
  const upload = document.getElementById("upload");
  if (upload) upload.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = document.getElementById("file").files[0];
    const progress = document.getElementById("upload-progress");
    const button = upload.querySelector("button");
    const notice = document.getElementById("notice");
    if (!file) return;
    const request = new XMLHttpRequest();
    request.open("POST", upload.dataset.to + "?" + new URLSearchParams({ filename: file.name }));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", document.body.dataset.csrf || "");
    request.upload.onprogress = (told) => { if (told.lengthComputable) progress.value = 100 * told.loaded / told.total; };
    request.onload = () => {
      button.disabled = false;
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* not ours */ }
      if (request.status >= 300) { window.pintu.say(notice.dataset.failed + ": " + (told.detail || request.statusText), true); return; }
      window.pintu.say(upload.dataset.done);
      setTimeout(() => location.assign(told.next || location.href), 400);
    };
    request.onerror = () => { button.disabled = false; window.pintu.say(notice.dataset.offline, true); };
    progress.hidden = false;
    button.disabled = true;
    request.send(file);
  });
  for (const form of document.querySelectorAll("form[data-sure]"))
    form.addEventListener("submit", (event) => { if (!confirm(form.dataset.sure)) event.preventDefault(); });
  for (const choice of document.querySelectorAll("select[data-again]"))
    choice.addEventListener("change", () => {
      const address = new URL(location.href);
      address.searchParams.set(choice.name, choice.value);
      location.assign(address);
    });
})();
