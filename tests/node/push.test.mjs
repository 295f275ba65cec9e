import assert from "node:assert/strict";
import test from "node:test";

import { bytesOf, Push } from "../../chat/gateway/web/push.js";
import { MemoryStorage } from "./fakes.mjs";

const KEY = Buffer.from([4, ...Array(64).fill(7)]).toString("base64url");

// A browser with one subscription at most, and a server that remembers what it was told.
function scene({ key = KEY, permission = "granted", userId = "ann", storage = new MemoryStorage(), fault = null } = {}) {
  const told = [];
  const at = { subscription: null, made: 0, permission, asked: 0 };
  const subscription = (options) => ({
    options,
    toJSON: () => ({ endpoint: `https://push.example/${at.made}`, expirationTime: null, keys: { p256dh: "p", auth: "a" } }),
    unsubscribe: async () => void (at.subscription = null),
  });
  const pushManager = {
    getSubscription: async () => at.subscription,
    subscribe: async (options) => {
      if (!at.subscription) at.made += 1;
      return (at.subscription ??= subscription(options));
    },
  };
  const registration = { pushManager };
  const serviceWorker = {
    register: async (url) => void told.push(["worker", url]),
    ready: Promise.resolve(registration),
    getRegistration: async () => registration,
  };
  const Notification = {
    get permission() {
      return at.permission;
    },
    requestPermission: async () => {
      at.asked += 1;
      return at.permission;
    },
  };
  const directory = {
    webPushKey: async () => key,
    registerDevice: async (device) => {
      if (fault) throw new Error(fault);
      told.push(["register", device]);
      return { id: "d1" };
    },
    removeDevice: async (id) => void told.push(["remove", id]),
    testDevices: async () => [
      { id: "d1", kind: "webpush", result: "delivered", reason: null },
      { id: "d2", kind: "fcm", result: "paused", reason: "no key" },
    ],
  };
  const browser = { navigator: { serviceWorker }, Notification, PushManager: class {} };
  const notes = [];
  const push = new Push({ directory, userId, storage, browser, onChange: () => notes.push(push.note) });
  return { push, told, at, storage, notes, browser };
}

const DEVICE = { kind: "webpush", endpoint: "https://push.example/1", keys: { p256dh: "p", auth: "a" } };

test("nothing is offered without a key, a worker or a push manager", async () => {
  for (const { push, browser, remove } of [
    { ...scene({ key: null }) },
    { ...scene(), remove: "PushManager" },
    { ...scene(), remove: "Notification" },
    { ...scene(), remove: "serviceWorker" },
  ]) {
    if (remove) delete (remove === "serviceWorker" ? browser.navigator : browser)[remove];
    await push.start();
    assert.equal(push.isOffered, false);
  }
});

test("nobody is asked before a click, and then the subscription is registered as it is", async () => {
  const { push, told, at } = scene();
  await push.start();
  assert.deepEqual([push.isOffered, push.isOn, at.asked, told], [true, false, 0, []]);
  await push.switch();
  assert.deepEqual(told, [["worker", "sw.js"], ["register", DEVICE]]);
  assert.deepEqual([push.isOn, push.note, at.asked], [true, "", 1]);
  assert.deepEqual(at.subscription.options, { userVisibleOnly: true, applicationServerKey: bytesOf(KEY) });
});

test("who says no is told where to change it", async () => {
  const { push, told, at } = scene({ permission: "denied" });
  await push.start();
  await push.switch();
  assert.match(push.note, /settings/);
  assert.deepEqual([push.isOn, told, at.made], [false, [], 0]);
});

test("switching off ends the subscription and tells the server", async () => {
  const { push, told, at } = scene();
  await push.start();
  await push.switch();
  await push.switch();
  assert.deepEqual(told.at(-1), ["remove", "d1"]);
  assert.deepEqual([push.isOn, at.subscription], [false, null]);
});

test("a page that opens again registers anew, once the browser still has the subscription", async () => {
  const first = scene();
  await first.push.start();
  await first.push.switch();
  const again = scene({ storage: first.storage });
  again.at.subscription = first.at.subscription;
  await again.push.start();
  assert.deepEqual([again.push.isOn, again.told.map(([what]) => what)], [true, ["register"]]);
  const ended = scene({ storage: first.storage });
  await ended.push.start();
  assert.deepEqual([ended.push.isOn, ended.told], [false, []]);
});

test("another person in this browser is off until they switch it on, and then it is theirs", async () => {
  const ann = scene();
  await ann.push.start();
  await ann.push.switch();
  const ben = scene({ storage: ann.storage, userId: "ben" });
  ben.at.subscription = ann.at.subscription;
  await ben.push.start();
  assert.deepEqual([ben.push.isOn, ben.told], [false, []]);
  await ben.push.switch();
  assert.deepEqual([ben.push.isOn, ann.push.isOn], [true, false]);
});

test("a subscription under an older key of the server's is replaced", async () => {
  const { push, at } = scene();
  const old = { applicationServerKey: Uint8Array.from([4, 1]).buffer };
  let ended = 0;
  at.subscription = { options: old, unsubscribe: async () => ((ended += 1), (at.subscription = null)) };
  await push.start();
  await push.switch();
  assert.deepEqual([ended, push.isOn], [1, true]);
});

test("a test tells what each provider said", async () => {
  const { push, notes } = scene();
  await push.start();
  await push.switch();
  await push.sendTest();
  assert.ok(notes.includes("Sending…"));
  assert.equal(
    push.note,
    "This browser: the push service took it · fcm: the server's push settings need mending (no key)",
  );
});

test("a refusal is told in the server's words", async () => {
  const { push } = scene({ fault: "endpoint is on no known host" });
  await push.start();
  await push.switch();
  assert.deepEqual([push.note, push.isOn], ["That did not work: endpoint is on no known host", false]);
});

test("who signs out is notified of nothing more here", async () => {
  const { push, told, at } = scene();
  await push.start();
  await push.signOut();
  assert.deepEqual(told, []);
  await push.switch();
  await push.signOut();
  assert.deepEqual([told.at(-1), at.subscription, push.isOn], [["remove", "d1"], null, false]);
});
