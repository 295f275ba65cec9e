// Notifications in this browser: subscribed to only when the user asks for it, and registered for who asked.

const DEVICE = "chat.device"; // in localStorage: whose notifications come here, and the device's id
const WORKER = "sw.js";
const SAID = {
  delivered: "the push service took it",
  gone: "this device is not reachable any more",
  refused: "the push service refused it",
  paused: "the server's push settings need mending",
  later: "the push service can't be reached now",
};

export class Push {
  #key = null;
  #isBusy = false;

  // `browser` has what of the window is needed: navigator, Notification, PushManager, trustedTypes.
  constructor({ directory, userId, onChange, storage = localStorage, browser = globalThis }) {
    this.directory = directory;
    this.userId = userId;
    this.onChange = onChange;
    this.storage = storage;
    this.browser = browser;
    this.note = ""; // for people: what came of the last thing they did
  }

  // Whether there is anything to switch on: not without HTTPS, in some private windows, or where the server has no key.
  get isOffered() {
    return this.#key !== null;
  }

  get isOn() {
    return this.#device?.userId === this.userId;
  }

  // Find out what is offered. Where it is on the server hears so, which keeps the device from growing stale.
  async start() {
    const { navigator, PushManager, Notification } = this.browser;
    if (!navigator.serviceWorker || !PushManager || !Notification) return;
    try {
      this.#key = await this.directory.webPushKey();
      if (this.isOn) await this.refresh();
    } catch {
      // The next start tries again.
    }
    this.onChange();
  }

  // Tell the server the subscription as it is now.
  async refresh() {
    if (!this.isOn) return;
    const subscription = await this.#subscription();
    if (subscription && this.browser.Notification.permission === "granted") await this.#register(subscription);
    else this.#forget(); // the user or the browser has ended it
    this.onChange();
  }

  // Only ever called by a click: browsers ask the user then.
  switch() {
    return this.#do(async () => (this.isOn ? this.#end() : this.#begin()));
  }

  sendTest() {
    return this.#do(async () => {
      this.#say("Sending…");
      const { id } = this.#device;
      const results = await this.directory.testDevices();
      const lines = results.map((each) => `${each.id === id ? "This browser" : each.kind}: ${outcome(each)}`);
      return lines.join(" · ") || "This browser is not registered any more; switch notifications off and on.";
    });
  }

  // Have the worker show or clear a notification, as if a push had told it to.
  async tell(notice) {
    const { navigator, Notification } = this.browser;
    if (!this.isOn || Notification.permission !== "granted") return;
    (await navigator.serviceWorker.getRegistration())?.active?.postMessage(notice);
  }

  // Who signs out leaves no notifications for whoever comes next. Asks for the token before it is gone.
  async signOut() {
    if (this.isOn) await this.#end().catch(() => {});
  }

  async #begin() {
    const { navigator, Notification } = this.browser;
    if ((await Notification.requestPermission()) !== "granted") {
      return "Your browser blocks notifications of this page; allow them in its settings.";
    }
    await navigator.serviceWorker.register(trusted(this.browser, WORKER));
    const { pushManager } = await navigator.serviceWorker.ready;
    const applicationServerKey = bytesOf(this.#key);
    const present = await pushManager.getSubscription();
    if (present && !isSame(present.options?.applicationServerKey, applicationServerKey)) await present.unsubscribe();
    await this.#register(await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }));
    return "";
  }

  // Without a subscription the push service refuses what the server still sends: it forgets the device then too.
  async #end() {
    const { id } = this.#device;
    const removed = this.directory.removeDevice(id).catch(() => {});
    this.#forget();
    await removed;
    await (await this.#subscription())?.unsubscribe();
    return "";
  }

  async #register(subscription) {
    const { endpoint, keys } = subscription.toJSON();
    const { id } = await this.directory.registerDevice({ kind: "webpush", endpoint, keys });
    this.storage.setItem(DEVICE, JSON.stringify({ userId: this.userId, id }));
  }

  async #subscription() {
    const registration = await this.browser.navigator.serviceWorker.getRegistration();
    return (await registration?.pushManager.getSubscription()) ?? null;
  }

  get #device() {
    return JSON.parse(this.storage.getItem(DEVICE) ?? "null");
  }

  #forget() {
    this.storage.removeItem(DEVICE);
  }

  async #do(deed) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      this.#say(await deed());
    } catch (error) {
      this.#say(`That did not work: ${error.message}`);
    } finally {
      this.#isBusy = false;
    }
  }

  #say(note) {
    this.note = note;
    this.onChange();
  }
}

let policy = null; // made once: the page's rules know it by name

// The address of the one script that may become a worker.
function trusted({ trustedTypes }, url) {
  policy ??= trustedTypes?.createPolicy("service-worker", { createScriptURL: () => WORKER });
  return policy?.createScriptURL(url) ?? url;
}

function outcome({ result, reason }) {
  return `${SAID[result] ?? result}${reason ? ` (${reason})` : ""}`;
}

export function bytesOf(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function isSame(buffer, bytes) {
  const present = new Uint8Array(buffer ?? []);
  return present.length === bytes.length && present.every((byte, at) => byte === bytes[at]);
}
