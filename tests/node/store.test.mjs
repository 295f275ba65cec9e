import assert from "node:assert/strict";
import test from "node:test";

import { Store } from "../../chat/gateway/web/store.js";

const AT = "2026-01-02T03:04:05Z";

function message(seq, more = {}) {
  const sender = more.sender_id ?? "ben";
  const standard = { id: `lobby.${seq}.e1`, room_id: "lobby", seq, content: `text ${seq}`, temp_id: `t-${seq}` };
  return { ...standard, sender_id: sender, sender_name: sender.toUpperCase(), created_at: AT, _temp: true, ...more };
}

function store() {
  const made = new Store("anna");
  made.open("lobby");
  return made;
}

const entry = { tempId: "mine", roomId: "lobby", content: "hello", writtenAt: 5, state: "waiting", error: null };
const shown = (from) => from.room("lobby").ordered.map(({ seq, state }) => [seq, state]);

test("messages stand in the order of their numbers, however they come", () => {
  const rooms = store();
  for (const seq of [3, 1, 2]) rooms.show(message(seq));
  rooms.queue(entry);
  rooms.addPage("lobby", { messages: [message(0, { _temp: false }), message(1, { _temp: false })], has_more: true });
  assert.deepEqual(shown(rooms), [[0, "confirmed"], [1, "confirmed"], [2, "pending"], [3, "pending"], [null, "sending"]]);
});

test("a room has its id as its name until another is heard of", () => {
  const rooms = store();
  assert.equal(rooms.room("lobby").name, "lobby");
  rooms.describe("lobby", { name: "The lobby" });
  rooms.describe("elsewhere", { name: "Not open here" });
  assert.deepEqual(rooms.rooms.map(({ name }) => name), ["The lobby"]);
  rooms.describe("lobby", { name: null });
  assert.equal(rooms.room("lobby").name, "lobby");
});

test("a message is one, whether it comes live, replayed or from history, and never goes back", () => {
  const rooms = store();
  assert.equal(rooms.show(message(1)), true);
  rooms.confirm({ roomId: "lobby", seqs: [1] });
  assert.equal(rooms.show(message(1)), false);
  assert.deepEqual(shown(rooms), [[1, "confirmed"]]);
});

test("what I write goes from sending over pending to confirmed, and stays one message", () => {
  const rooms = store();
  rooms.queue(entry);
  rooms.show(message(4, { sender_id: "anna", temp_id: "mine" }));
  assert.deepEqual(shown(rooms), [[4, "pending"]]);
  rooms.settle({ roomId: "lobby", tempId: "mine", state: "pending", id: "lobby.4.e1", seq: 4 });
  rooms.confirmMine({ tempId: "mine", realId: "lobby.4.e1", message: message(4, { sender_id: "anna" }) });
  assert.deepEqual(shown(rooms), [[4, "confirmed"]]);
  rooms.settle({ roomId: "lobby", tempId: "mine", state: "pending", id: "lobby.4.e1", seq: 4 });
  assert.deepEqual(shown(rooms), [[4, "confirmed"]]);
});

test("another's message under my temp id is another message", () => {
  const rooms = store();
  rooms.queue(entry);
  rooms.show(message(1, { temp_id: "mine" }));
  assert.deepEqual(shown(rooms), [[1, "pending"], [null, "sending"]]);
});

test("a failed message loses its number, and gets a new one when it is tried again", () => {
  const rooms = store();
  rooms.queue(entry);
  rooms.show(message(4, { sender_id: "anna", temp_id: "mine" }));
  rooms.fail({ roomId: "lobby", tempId: "mine", error: { message: "full", retryable: true } });
  rooms.show(message(5));
  assert.deepEqual(shown(rooms), [[5, "pending"], [null, "failed"]]);
  rooms.retry("lobby", "mine");
  assert.deepEqual(shown(rooms), [[5, "pending"], [null, "sending"]]);
  rooms.show(message(6, { sender_id: "anna", temp_id: "mine" }));
  assert.deepEqual(shown(rooms), [[5, "pending"], [6, "pending"]]);
  rooms.discard("lobby", "t:mine");
  assert.deepEqual(shown(rooms), [[5, "pending"]]);
});

test("a retracted message says so and does not come back", () => {
  const rooms = store();
  rooms.show(message(1));
  rooms.retract({ roomId: "lobby", messageId: "lobby.1.e1" });
  rooms.show(message(1));
  assert.deepEqual(rooms.room("lobby").ordered.map(({ state, content }) => [state, content]), [["retracted", ""]]);
});

test("what waited and is not in a page that was read again was retracted", () => {
  const rooms = store();
  for (const seq of [1, 2, 3, 4]) rooms.show(message(seq));
  const asked = rooms.pendingOf("lobby");
  rooms.compare("lobby", 0, { messages: [message(1, { _temp: false }), message(3)], has_more: true }, asked);
  assert.deepEqual(shown(rooms), [[1, "confirmed"], [2, "retracted"], [3, "pending"], [4, "pending"]]);
});

test("after a reload of a room only what was seen again is left, and what I have still to send", () => {
  const rooms = store();
  for (const seq of [1, 2]) rooms.show(message(seq));
  rooms.queue(entry);
  rooms.beginReload("lobby");
  assert.equal(rooms.room("lobby").isLoaded, false);
  rooms.show(message(9)); // live, while the page is read
  const page = { messages: [message(1, { id: "lobby.1.e2", _temp: false }), message(2, { _temp: false })], has_more: true };
  rooms.endReload("lobby", page);
  assert.deepEqual(shown(rooms), [[1, "confirmed"], [2, "confirmed"], [9, "pending"], [null, "sending"]]);
  assert.equal(rooms.room("lobby").ordered[0].id, "lobby.1.e2");
  assert.equal(rooms.room("lobby").isLoaded, true);
  assert.equal(rooms.room("lobby").hasMore, true);
});

test("old messages are let go of and can be read again", () => {
  const rooms = store();
  for (let seq = 1; seq <= 10; seq++) rooms.show(message(seq));
  rooms.trim("lobby", 4);
  assert.deepEqual(rooms.room("lobby").ordered.map(({ seq }) => seq), [7, 8, 9, 10]);
  assert.equal(rooms.room("lobby").hasMore, true);
  assert.equal(rooms.room("lobby").oldestSeq, 7);
});
