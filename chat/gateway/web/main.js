// Puts the page together: sign in, then chat; the part of the address behind # is the room.

import { App } from "./app.js";
import { Identity } from "./identity.js";
import { addressOf } from "./room-list.js";
import { SignIn } from "./sign-in.js";
import { View } from "./view.js";

const identity = new Identity(document.documentElement.dataset.authMode);
const signIn = new SignIn(identity, enter);
const view = new View({ onSignOut: () => signOut(), onSignInNeeded: (reason) => leave(reason) });
let app = null;

function enter() {
  const wanted = roomInAddress();
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  app = new App({ identity, person: identity.person, view, url: url.href });
  signIn.hide();
  view.begin(app, identity.person);
  app.start();
  if (wanted) app.open(wanted);
  document.getElementById(wanted ? "draft" : "join-room").focus();
}

function leave(reason = "") {
  app?.stop();
  app = null;
  identity.signOut();
  signIn.show(reason);
}

function signOut() {
  app?.push.signOut();
  leave();
}

function roomInAddress() {
  const found = /^#\/([A-Za-z0-9_.-]{1,64})$/.exec(location.hash);
  return found ? found[1] : null;
}

window.addEventListener("hashchange", () => {
  const wanted = roomInAddress();
  if (app && wanted && wanted !== app.current) app.open(wanted);
  else if (app && wanted) view.showRoom(wanted); // from the list back to the room, on a phone
});
window.addEventListener("online", () => app?.client.retryNow());
window.addEventListener("beforeunload", (event) => {
  // What the server has not taken yet is lost with the window.
  if (app?.client.outbox.entries.some(({ state }) => state === "waiting" || state === "sent")) event.preventDefault();
});

// The service worker asks what is in sight, and sends whoever clicked a notification to its room.
navigator.serviceWorker?.addEventListener("message", ({ data, ports }) => {
  if (data.kind === "is-open") ports[0].postMessage(app?.current === data.roomId && document.hasFocus());
  else if (data.kind === "is-visible") ports[0].postMessage(app !== null && view.isVisible);
  else if (data.kind === "subscription-changed") app?.push.refresh().catch(() => {}); // else the next start does it
  else if (data.kind === "open" && data.roomId) {
    if (app) app.open(data.roomId);
    else location.hash = addressOf(data.roomId);
  }
});

if (identity.person) enter();
else signIn.show();
