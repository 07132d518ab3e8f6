// Keeps the page of a crew's orders so that it opens without a network; sends nothing by itself.
"use strict";
const SHELF = "my-orders-1";
const KEPT = [/* KEPT */];
const PAGE = "/my-orders";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELF).then((shelf) => Promise.all(KEPT.map((one) => fetch(one, { credentials: "same-origin" }).then((answer) => keep(shelf, one, answer)).catch(() => undefined)))).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((one) => one.startsWith("my-orders-") && one !== SHELF).map((one) => caches.delete(one)))).then(() => self.clients.claim()));
});

async function keep(shelf, request, answer) {
  // The sign-in page after a redirect is not the page of orders.
  if (answer.ok && !answer.redirected) await shelf.put(request, answer.clone());
  return answer;
}

// Newest first where there is a network; what was kept where there is none, or none in time.
async function page(request) {
  const shelf = await caches.open(SHELF);
  try {
    const answer = await Promise.race([fetch(request), new Promise((_, no) => setTimeout(() => no(new Error("slow")), 8000))]);
    // Who signed out, or is nobody here any more, leaves nothing behind on the phone.
    if (answer.redirected || answer.status === 401 || answer.status === 403) await shelf.delete(PAGE);
    return await keep(shelf, PAGE, answer);
  } catch {
    return (await shelf.match(PAGE)) || Response.error();
  }
}

// Static files carry a mark of their content: what is kept is right for ever.
async function file(request) {
  const shelf = await caches.open(SHELF);
  return (await shelf.match(request)) || keep(shelf, request, await fetch(request));
}

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin) return;
  if (address.pathname === PAGE) event.respondWith(page(event.request));
  else if (address.pathname.startsWith("/static/")) event.respondWith(file(event.request));
});
self.addEventListener("message", (event) => {
  if (event.data === "forget") event.waitUntil(caches.delete(SHELF));
});
