import assert from "node:assert/strict";
import { test } from "node:test";

import { Alerts, collapseOf } from "../../chat/gateway/web/alerts.js";
import { Store } from "../../chat/gateway/web/store.js";
import { FakeClock } from "./fakes.mjs";

const turn = () => new Promise((done) => setImmediate(done)); // whatever can go on without waiting has

// Digests are made on another thread: these are under way.
const digests = new Set();
const digest = crypto.subtle.digest.bind(crypto.subtle);
crypto.subtle.digest = (...given) => {
  const made = digest(...given);
  digests.add(made);
  made.finally(() => digests.delete(made));
  return made;
};

// A hidden page of Ann's with rooms r1 and r2; `told` is what the service worker heard.
function scene() {
  const told = [];
  const at = { isVisible: false, isOn: true, mine: { mode: "all", quiet_hours: null }, rooms: {}, asked: 0, fault: null };
  const clock = new FakeClock();
  const store = new Store("ann");
  for (const id of ["r1", "r2"]) store.open(id);
  const push = {
    get isOn() {
      return at.isOn;
    },
    tell: (notice) => told.push(notice),
  };
  const directory = {
    myPush: async () => {
      at.asked += 1;
      if (at.fault) throw at.fault;
      return at.mine;
    },
    roomPush: async (roomId) => at.rooms[roomId] ?? { mode: null, muted_until: null },
  };
  const alerts = new Alerts({ push, store, directory, isVisible: () => at.isVisible, clock, now: () => clock.time });
  const hear = (seq, content, { room = "r1", mentions = [] } = {}) => {
    const message = { id: `${room}.${seq}`, room_id: room, seq, sender_id: "ben", sender_name: "Ben", content, metadata: { mentions } };
    store.show({ ...message, created_at: "2026-01-31T12:00:00Z", _temp: false });
    store.room(room).unseen += 1;
    alerts.heard(message);
  };
  const pass = async (ms = 3_000) => {
    await clock.pass(ms);
    await turn();
    while (digests.size) {
      await Promise.all(digests);
      await turn();
    }
  };
  return { alerts, store, at, told, hear, pass };
}

test("what comes while the page is hidden is one notification for each room", async () => {
  const { told, hear, pass } = scene();
  hear(1, "one");
  hear(2, " two\n lines ");
  hear(5, "elsewhere", { room: "r2" });
  assert.deepEqual(told, []);
  await pass();
  const [first, second] = told.sort((a, b) => a.roomId.localeCompare(b.roomId));
  const facts = { kind: "message", roomId: "r1", messageId: "r1.2", seq: 2, unread: 3, collapse: await collapseOf("r1") };
  assert.deepEqual(first, { ...facts, title: "Ben in r1", body: "two lines\n+1 more" });
  assert.deepEqual([second.title, second.body, second.seq], ["Ben in r2", "elsewhere", 5]);
  assert.equal(told.length, 2);
});

test("nothing is shown to who sees the page, comes back to it, or did not ask for it", async () => {
  const { told, at, hear, pass } = scene();
  at.isVisible = true;
  hear(1, "in sight");
  await pass();
  at.isVisible = false;
  hear(2, "just before");
  at.isVisible = true;
  await pass();
  Object.assign(at, { isVisible: false, isOn: false });
  hear(3, "off");
  await pass();
  assert.deepEqual(told, []);
});

test("what is read elsewhere meanwhile is not shown, and what was shown is cleared", async () => {
  const { alerts, store, told, hear, pass } = scene();
  hear(1, "read at once");
  store.room("r1").unseen = 0;
  await alerts.counted("r1", 0);
  await pass();
  assert.deepEqual(told.splice(0).map(({ kind }) => kind), ["clear"]);
  hear(2, "read later");
  await pass();
  await alerts.counted("r1", 1);
  store.room("r1").unseen = 0;
  await alerts.counted("r1", 0);
  assert.deepEqual(told[1], { kind: "clear", roomId: "r1", seq: 2, unread: 0, collapse: await collapseOf("r1") });
  assert.deepEqual(told.map(({ kind }) => kind), ["message", "clear"]);
});

test("nothing is shown of what was deleted", async () => {
  const { store, told, hear, pass } = scene();
  hear(1, "goes");
  store.amend({ roomId: "r1", messageId: "r1.1", revision: 2, deletedAt: "2026-01-31T12:00:01Z" });
  await pass();
  assert.deepEqual(told, []);
});

test("nothing is shown while nobody knows what was chosen, and all of it when that is known", async () => {
  const { told, at, hear, pass } = scene();
  at.fault = new Error("not now");
  at.rooms.r2 = { mode: "all", muted_until: null };
  hear(1, "@ann", { mentions: ["ann"] });
  hear(1, "elsewhere", { room: "r2" });
  await pass();
  hear(2, "for all");
  await pass();
  assert.deepEqual([told, at.asked], [[], 2]);
  Object.assign(at, { fault: null, mine: { mode: "mentions", quiet_hours: null } });
  await pass();
  assert.deepEqual(told.map(({ messageId }) => messageId).sort(), ["r1.1", "r2.1"]);
});

test("what was chosen is not asked for for ever, nor once somebody looks", async () => {
  const { told, at, hear, pass } = scene();
  at.fault = new Error("not now");
  hear(1, "one");
  await pass(100_000);
  assert.equal(at.asked, 20);
  hear(2, "two");
  await pass();
  at.isVisible = true;
  await pass(100_000);
  assert.deepEqual([told, at.asked], [[], 21]);
});

test("what was chosen counts, and is asked for once a minute at most", async () => {
  const { told, at, hear, pass } = scene();
  at.mine = { mode: "mentions", quiet_hours: null };
  at.rooms.r2 = { mode: "none", muted_until: null };
  hear(1, "for nobody");
  hear(1, "@ann", { room: "r2", mentions: ["ann"] });
  await pass();
  assert.deepEqual(told, []);
  hear(2, "@ann", { mentions: ["ann"] });
  hear(3, "for nobody");
  await pass();
  assert.deepEqual([told.map(({ seq }) => seq), at.asked], [[2], 1]);
  await pass(60_000);
  hear(4, "@ann", { mentions: ["ann"] });
  await pass();
  assert.equal(at.asked, 2);
});

test("a room's notifications take each other's place, whoever makes them", async () => {
  assert.equal(await collapseOf("den"), "iooan-hWXWTFuLJ8sfnD3LL_djK8cVuA");
});
