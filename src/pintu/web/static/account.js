// Passkeys: made on the account's page, shown on the page to sign in at.
"use strict";
(() => {
  const csrf = document.body.dataset.csrf || "";
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function send(address, body) {
    const headers = { "Accept": "application/json", "Content-Type": "application/json" };
    if (csrf) headers["X-CSRF-Token"] = csrf;
    const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail || told.title);
    return told;
  }

  function plain(credential) {
    const response = credential.response;
    const told = { clientDataJSON: text(response.clientDataJSON) };
    if (response.attestationObject) {
      told.attestationObject = text(response.attestationObject);
      told.transports = response.getTransports ? response.getTransports() : [];
    } else {
      told.authenticatorData = text(response.authenticatorData);
      told.signature = text(response.signature);
      if (response.userHandle) told.userHandle = text(response.userHandle);
    }
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response: told,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  }

  async function make(name) {
    const options = await send("/api/v1/identity/passkeys/offer", {});
    options.challenge = bytes(options.challenge);
    options.user.id = bytes(options.user.id);
    options.excludeCredentials = (options.excludeCredentials || []).map((one) => ({ ...one, id: bytes(one.id) }));
    const made = await navigator.credentials.create({ publicKey: options });
    return send("/api/v1/identity/passkeys", { name, answer: plain(made) });
  }

  async function show(next) {
    const options = await send("/api/v1/identity/passkeys/challenge", {});
    options.challenge = bytes(options.challenge);
    delete options.allowCredentials;
    const shown = await navigator.credentials.get({ publicKey: options });
    return send("/api/v1/identity/passkeys/sign-in", { next, answer: plain(shown) });
  }

  function doing(from, work) {
    const said = from.closest("section").querySelector("[data-passkey-said]");
    said.textContent = "";
    work().then((told) => { location.assign(told.next); }, (error) => {
      said.textContent = `${from.dataset.failed} ${error.name === "Error" ? error.message : ""}`;
    });
  }

  if (!window.PublicKeyCredential) return;
  for (const part of document.querySelectorAll("[data-passkeys]")) part.hidden = false;
  for (const button of document.querySelectorAll("[data-passkey-in]")) {
    button.addEventListener("click", () => doing(button, () => show(button.dataset.next)));
  }
  for (const form of document.querySelectorAll("[data-passkey-new]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      doing(form, () => make(form.elements.name.value));
    });
  }
})();
