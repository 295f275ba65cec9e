// The page's service worker: after a push its notification is shown, or the room's is taken away because it was read
// elsewhere. It runs without a window and keeps nothing; what it has to know of windows it asks them.

const ANSWER_MS = 500; // then a window counts as one that does not show the room
const UNTOLD = "You have a new message"; // where nothing tells what it is
const UNREADABLE = { kind: "message", roomId: "", seq: 0, title: "", body: "", collapse: "" };

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(take(read(event.data))));
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));
self.addEventListener("message", (event) => event.waitUntil(takeFromWindow({ ...UNREADABLE, ...event.data })));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openAt(event.notification.data?.roomId ?? ""));
});

// What cannot be read is shown all the same: a browser holds it against a page when a push shows nothing.
function read(data) {
  try {
    return { ...UNREADABLE, ...data.json() };
  } catch {
    return UNREADABLE;
  }
}

async function take(notice) {
  await showBadge(notice.unread);
  if (notice.kind === "clear") await clear(notice);
  else if (notice.kind === "test" || !(await isInSight(notice.roomId))) await show(notice);
}

// A window that is hidden has heard of it; who has another one before them sees it there.
async function takeFromWindow(notice) {
  const windows = await pages();
  const visible = windows.filter(({ visibilityState }) => visibilityState === "visible");
  const answers = await Promise.all(visible.map((each) => ask(each, { kind: "is-visible" })));
  if (notice.kind === "clear" || !answers.includes(true)) await take(notice);
}

async function show({ kind, roomId, messageId, seq, title, body, collapse: tag }) {
  const shown = tag ? await self.registration.getNotifications({ tag }) : [];
  if (kind === "message" && shown.some(({ data }) => data?.seq > seq)) return; // an older one that came late
  const isRepeat = kind === "message" && shown.some(({ data }) => data?.seq === seq);
  await self.registration.showNotification(title || UNTOLD, {
    body,
    tag,
    renotify: tag !== "" && !isRepeat,
    icon: "assets/icon.svg",
    data: { roomId, messageId, seq },
  });
}

// What came after the message that was read stays.
async function clear({ collapse: tag, seq }) {
  for (const each of await self.registration.getNotifications({ tag })) {
    if (!seq || !(each.data?.seq > seq)) each.close();
  }
}

async function showBadge(unread) {
  if (typeof unread !== "number") return;
  try {
    await (unread > 0 ? navigator.setAppBadge?.(unread) : navigator.clearAppBadge?.());
  } catch {
    // The page is not installed: there is nothing to put a badge on.
  }
}

// Does somebody look at the room now?
async function isInSight(roomId) {
  const windows = await self.clients.matchAll({ type: "window" });
  const looking = windows.filter(({ focused, visibilityState }) => focused && visibilityState === "visible");
  const answers = await Promise.all(looking.map((each) => ask(each, { kind: "is-open", roomId })));
  return answers.includes(true);
}

function ask(window, question) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    setTimeout(() => resolve(false), ANSWER_MS);
    window.postMessage(question, [port2]);
  });
}

async function openAt(roomId) {
  const windows = await pages();
  const chosen = windows.find(({ focused }) => focused) ?? windows[0];
  if (!chosen) return self.clients.openWindow(new URL(roomId && `#/${roomId}`, self.registration.scope).href);
  chosen.postMessage({ kind: "open", roomId });
  return chosen.focus();
}

// The browser has changed the subscription. Only a page has a token to tell the server with: an open one does so
// now, else the next one that opens.
async function renew({ oldSubscription, newSubscription }) {
  if (!newSubscription && oldSubscription) await self.registration.pushManager.subscribe(oldSubscription.options);
  for (const each of await pages()) each.postMessage({ kind: "subscription-changed" });
}

// The windows that show the page and not something else of this server's.
async function pages() {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.filter(({ url }) => new URL(url).pathname === new URL(self.registration.scope).pathname);
}
