// What a browser keeps to ring while no page is open: it shows what the city pushed, and opens the
// page about it.
"use strict";
self.addEventListener("push", (event) => {
  let told = {};
  try { told = event.data ? event.data.json() : {}; } catch (error) { told = {}; }
  const ring = told.kind === "ring";
  event.waitUntil(self.registration.showNotification(told.title || told.city || "Pintu", {
    body: told.text || "",
    tag: told.subject || told.key || "pintu",
    renotify: true,
    requireInteraction: ring,
    vibrate: ring ? [300, 120, 300, 120, 600] : undefined,
    data: { link: told.link || "/duty" },
    icon: "/static/icon.svg",
  }));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const page = new URL(event.notification.data.link, self.location.origin);
  if (page.origin !== self.location.origin) return;
  event.waitUntil((async () => {
    const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const there = open.find((one) => new URL(one.url).pathname === page.pathname);
    if (there) await there.focus(); else await self.clients.openWindow(page.href);
  })());
});
