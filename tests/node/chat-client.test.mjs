import assert from "node:assert/strict";
import test from "node:test";

import { ChatClient } from "../../chat/gateway/web/chat-client.js";
import { FakeClock, fakeWebSocket, MemoryStorage, settled } from "./fakes.mjs";

function start({ rooms = ["lobby"], ...options } = {}) {
  const [clock, Socket, events] = [new FakeClock(), fakeWebSocket(), []];
  const client = new ChatClient({
    url: "ws://chat.example/ws",
    getToken: async () => "a.b.c",
    storage: new MemoryStorage(),
    clock,
    WebSocket: Socket,
    random: () => 1,
    ...options,
  });
  for (const name of ["status", "joined", "refused", "fate", "new-chat-message"]) {
    client.addEventListener(name, ({ detail }) => events.push([name, detail]));
  }
  rooms.forEach((room) => client.join(room));
  const of = (name) => events.filter(([each]) => each === name).map(([, detail]) => detail);
  return { client, clock, Socket, of };
}

async function online(options) {
  const all = start(options);
  all.client.connect();
  await settled();
  const socket = all.Socket.newest;
  await socket.welcome();
  if (socket.asked("join-chat-rooms")) await socket.letJoin("lobby");
  return { ...all, socket };
}

// The newest connection, after the wait for it.
async function back({ clock, Socket }) {
  await clock.pass(20_000);
  await Socket.newest.welcome();
  return Socket.newest;
}

test("the token goes as a subprotocol and never into the address", async () => {
  const { socket } = await online();
  assert.deepEqual(socket.protocols, ["chat.v1", "bearer.a.b.c"]);
  assert.equal(socket.url, "ws://chat.example/ws");
});

test("a room is joined anew with the epoch and offset that were seen last", async () => {
  const all = await online();
  await all.socket.tell("new-chat-message", { room_id: "lobby", offset: 3, id: "m3", sender_id: "ben" });
  await all.socket.tell("message-retracted", { roomId: "lobby", offset: 4, messageId: "m3" });
  await all.socket.drop();
  const socket = await back(all);
  assert.deepEqual(socket.asked("join-chat-rooms").data.since, { lobby: { epoch: "e1", offset: 4 } });
  await socket.letJoin("lobby", { offset: 2, epoch: "e2" });
  await socket.drop();
  assert.deepEqual((await back(all)).asked("join-chat-rooms").data.since, { lobby: { epoch: "e2", offset: 2 } });
  assert.deepEqual(all.of("joined").map(({ isFirst, recovered }) => [isFirst, recovered]), [[true, false], [false, false]]);
});

test("whoever joins is told who is there", async () => {
  const all = await online();
  await all.socket.drop();
  const who = { online: ["ben"], online_names: { ben: "Ben" }, online_count: 7 };
  await (await back(all)).letJoin("lobby", { offset: 2, epoch: "e2", ...who });
  const { online: there, onlineNames, onlineCount } = all.of("joined").at(-1);
  assert.deepEqual([there, onlineNames, onlineCount], [["ben"], { ben: "Ben" }, 7]);
});

test("an event that comes twice is told once", async () => {
  const { socket, of } = await online();
  const message = { room_id: "lobby", offset: 1, id: "m1", sender_id: "ben" };
  await socket.tell("new-chat-message", message);
  await socket.tell("new-chat-message", message);
  assert.equal(of("new-chat-message").length, 1);
});

test("a room is not joined again when one was removed from it or it was deleted", async () => {
  const all = start({ rooms: ["lobby", "team", "kept"] });
  all.client.connect();
  await settled();
  all.socket = all.Socket.newest;
  await all.socket.welcome();
  await all.socket.letJoin("kept");
  const seen = [];
  all.client.addEventListener("room-updated", ({ detail }) => seen.push([detail.roomId, detail.change]));
  const me = all.client.userId;
  await all.socket.tell("room-updated", { roomId: "lobby", change: "member-removed", userId: me, offset: 1, room: {} });
  await all.socket.tell("room-updated", { roomId: "team", change: "deleted", offset: 1, room: {} });
  await all.socket.tell("room-updated", { roomId: "kept", change: "member-removed", userId: "ben", offset: 1, room: {} });
  assert.deepEqual(seen, [["lobby", "member-removed"], ["team", "deleted"], ["kept", "member-removed"]]);
  await all.socket.drop();
  const socket = await back(all);
  assert.deepEqual(socket.sent.filter(({ event }) => event === "join-chat-rooms").map(({ data }) => data.roomIds), [["kept"]]);
});

test("messages go out one at a time, in their order, also past a refusal for speed", async () => {
  const { client, clock, socket, of } = await online();
  const [first, second] = [client.send("lobby", "one"), client.send("lobby", "two")];
  await settled();
  assert.equal(socket.count("send-chat-message"), 1);
  await socket.refuse("send-chat-message", { code: "rate-limited", retryAfter: 0.5 });
  assert.equal(socket.count("send-chat-message"), 1);
  await clock.pass(500);
  assert.equal(socket.asked("send-chat-message").data.temp_id, first.tempId);
  await socket.answer("send-chat-message", { tempId: first.tempId, id: "m1", seq: 1, state: "pending" });
  assert.equal(socket.asked("send-chat-message").data.temp_id, second.tempId);
  await socket.tell("message-confirmed", { tempId: first.tempId, realId: "m1", message: {} });
  assert.deepEqual(client.outbox.entries.map(({ tempId, state }) => [tempId, state]), [[second.tempId, "sent"]]);
  assert.deepEqual(of("fate").map(({ state }) => state), ["pending"]);
});

test("after a drop each message's fate is asked, and only the unknown ones are sent again", async () => {
  const all = await online();
  const { client } = all;
  const entries = ["kept", "waiting", "refused", "lost"].map((text) => client.send("lobby", text));
  for (const { tempId } of entries.slice(0, 3)) {
    await settled();
    await all.socket.answer("send-chat-message", { tempId, id: "m", seq: 1, state: "pending" });
  }
  await all.socket.drop();
  const late = client.send("lobby", "written while away");
  const socket = await back(all);
  await socket.letJoin("lobby", { recovered: true });
  const tempIds = entries.map(({ tempId }) => tempId);
  assert.deepEqual(socket.asked("get-send-fate").data, { roomId: "lobby", temp_ids: tempIds });
  assert.equal(socket.count("send-chat-message"), 0);
  await socket.answer("get-send-fate", {
    fates: {
      [tempIds[0]]: { state: "confirmed", id: "m1", seq: 1 },
      [tempIds[1]]: { state: "pending", id: "m2", seq: 2 },
      [tempIds[2]]: { state: "failed", id: "m3", seq: 3, error: { code: "poison", retryable: false } },
      [tempIds[3]]: { state: "unknown" },
    },
  });
  assert.equal(socket.asked("send-chat-message").data.temp_id, tempIds[3]);
  await socket.answer("send-chat-message", { tempId: tempIds[3], id: "m4", seq: 4, state: "pending" });
  assert.equal(socket.asked("send-chat-message").data.temp_id, late.tempId);
  assert.equal(socket.count("send-chat-message"), 2);
  const states = client.outbox.entries.map(({ content, state }) => [content, state]);
  const expected = [["waiting", "accepted"], ["refused", "failed"], ["lost", "accepted"], ["written while away", "sent"]];
  assert.deepEqual(states, expected);
});

test("the outbox outlives a reload of the page", async () => {
  const storage = new MemoryStorage();
  const { client, socket } = await online({ storage });
  const { tempId } = client.send("lobby", "on its way");
  await settled();
  assert.equal(socket.count("send-chat-message"), 1);
  const reloaded = await online({ storage });
  assert.deepEqual(reloaded.socket.asked("get-send-fate").data.temp_ids, [tempId]);
  await reloaded.socket.answer("get-send-fate", { fates: { [tempId]: { state: "unknown" } } });
  assert.equal(reloaded.socket.asked("send-chat-message").data.temp_id, tempId);
});

test("a failed message is sent again under its temp id when it is retried", async () => {
  const { client, socket, of } = await online();
  const { tempId } = client.send("lobby", "hello");
  await settled();
  await socket.refuse("send-chat-message", { code: "overloaded" });
  assert.deepEqual(of("fate")[0].error, { code: "overloaded", message: "overloaded", retryable: true });
  await socket.tell("heartbeat", {});
  assert.equal(socket.count("send-chat-message"), 1);
  client.retry(tempId);
  await settled();
  assert.equal(socket.count("send-chat-message"), 2);
  assert.equal(socket.asked("send-chat-message").data.temp_id, tempId);
});

test("a message that is too long fails here, and costs no connection", async () => {
  const { client, socket, of } = await online();
  client.send("lobby", "é".repeat(51));
  await settled();
  assert.equal(socket.count("send-chat-message"), 0);
  assert.equal(of("fate")[0].error.retryable, false);
});

test("a server that does not answer is given up, and the heartbeat finds it", async () => {
  const { client, clock, socket, of } = await online();
  await clock.pass(30_000);
  assert.equal(socket.count("heartbeat"), 1);
  await socket.answer("heartbeat", {});
  await clock.pass(30_000);
  assert.equal(client.state, "online");
  await clock.pass(10_000);
  assert.equal(of("status").at(-1).state, "waiting");
  assert.notEqual(socket.closedWith, undefined);
});

test("what the server asks for is waited for", async () => {
  const all = await online();
  await all.clock.pass(6000);
  await all.socket.tell("server-leaving", { reconnectInMs: 4321 });
  await all.socket.drop(1001);
  assert.equal(all.of("status").at(-1).retryInMs, 4321);
  await all.clock.pass(4320);
  assert.equal(all.Socket.sockets.length, 1);
  await all.clock.pass(1);
  assert.equal(all.Socket.sockets.length, 2);
  const socket = all.Socket.newest;
  await socket.welcome();
  await all.clock.pass(6000);
  await socket.tell("closing", { code: 4003, reason: "reader too slow", retry: true, afterMs: 1000 });
  await socket.drop(4003);
  assert.equal(all.of("status").at(-1).retryInMs, 1000);
});

test("the waits grow while nobody is there", async () => {
  const { client, clock, Socket, of } = start();
  client.connect();
  for (let attempt = 0; attempt < 4; attempt++) {
    await settled();
    await Socket.newest.drop();
    await clock.pass(of("status").at(-1).retryInMs);
  }
  assert.deepEqual(of("status").filter(({ state }) => state === "waiting").map(({ retryInMs }) => retryInMs), [500, 1000, 2000, 4000]);
});

test("it stays away after a code from 4500 on, and after a refused sign-in", async () => {
  const { clock, Socket, socket, of } = await online();
  await socket.tell("closing", { code: 4503, reason: "revoked", retry: false, afterMs: 0 });
  await socket.drop(4503, "revoked");
  await clock.pass(100_000);
  assert.equal(Socket.sockets.length, 1);
  assert.deepEqual(of("status").at(-1), { state: "ended", code: 4503, reason: "revoked" });

  const refused = start({ getToken: async () => Promise.reject(Object.assign(new Error("no"), { isFinal: true })) });
  refused.client.connect();
  await refused.clock.pass(100_000);
  assert.deepEqual(refused.of("status").at(-1), { state: "ended", code: 4500, reason: "no" });
});

test("a room that refuses is given up, and one that can't be joined now is tried again", async () => {
  const { client, clock, socket, of } = await online();
  client.join("secret");
  await socket.refuse("join-chat-rooms", { code: "not-a-member" });
  assert.deepEqual(of("refused").map(({ roomId }) => roomId), ["secret"]);
  client.join("busy");
  await socket.refuse("join-chat-rooms", { code: "unavailable" });
  assert.equal(socket.count("join-chat-rooms"), 3);
  await clock.pass(2000);
  assert.equal(socket.count("join-chat-rooms"), 4);
  assert.equal(of("refused").length, 1);
});

test("a confirmation that does not come is asked for with the heartbeat", async () => {
  const { client, clock, socket } = await online();
  const { tempId } = client.send("lobby", "hello");
  await settled();
  await socket.answer("send-chat-message", { tempId, id: "m1", seq: 1, state: "pending" });
  await clock.pass(30_000);
  await socket.answer("heartbeat", {});
  await socket.answer("get-send-fate", { fates: { [tempId]: { state: "confirmed", id: "m1", seq: 1 } } });
  assert.deepEqual(client.outbox.entries, []);
});

test("a token that runs out is replaced by a fresh one, and never by itself", async () => {
  let token = "old";
  const { socket } = await online({ getToken: async () => token });
  await socket.tell("auth-expiring", {});
  assert.equal(socket.count("authenticate"), 0);
  token = "fresh";
  await socket.tell("auth-expiring", {});
  assert.deepEqual(socket.asked("authenticate").data, { token: "fresh" });
  await socket.answer("authenticate", {});
  await socket.tell("auth-expiring", {});
  assert.equal(socket.count("authenticate"), 1);
});
