import assert from "node:assert/strict";
import test from "node:test";

import { isSame, rowsOf } from "../../chat/gateway/web/rows.js";
import { Store } from "../../chat/gateway/web/store.js";

function room() {
  const rooms = new Store("anna");
  rooms.open("lobby");
  const say = (seq, sender, minute, more = {}) =>
    rooms.show({
      ...{ id: `m${seq}`, room_id: "lobby", seq, sender_id: sender, sender_name: sender, content: `text ${seq}` },
      ...{ created_at: new Date(2026, 0, 2, 12, minute).toISOString(), temp_id: `t${seq}`, _temp: false, ...more },
    });
  return { rooms, lobby: rooms.room("lobby"), say };
}

test("a day has a row, and messages of one writer close together share a head", () => {
  const { lobby, say } = room();
  [[1, "ben", 0], [2, "ben", 1], [3, "anna", 2], [4, "ben", 3], [5, "ben", 30]].forEach((each) => say(...each));
  say(6, "ben", 24 * 60);
  const told = rowsOf(lobby).map(({ message, isFirst }) => (message ? `${message.seq}${isFirst ? "!" : ""}` : "day"));
  assert.deepEqual(told, ["day", "1!", "2", "3!", "4!", "5!", "day", "6!"]);
});

test("a reply has the message it replies to, as that one is now", () => {
  const { rooms, lobby, say } = room();
  say(2, "ben", 1, { reply_to: "m1" });
  const before = rowsOf(lobby)[1];
  assert.equal(before.quoted, undefined);
  say(1, "anna", 0);
  const after = rowsOf(lobby)[2];
  assert.equal(after.quoted.content, "text 1");
  assert.equal(isSame(before, after), false);
  rooms.amend({ roomId: "lobby", messageId: "m1", revision: 1, deletedAt: "2026-01-02T13:00:00.000Z" });
  assert.equal(isSame(after, rowsOf(lobby)[2]), false);
  assert.equal(isSame(rowsOf(lobby)[2], rowsOf(lobby)[2]), true);
});

test("only the newest message of one's own says who has seen it", () => {
  const { rooms, lobby, say } = room();
  [[1, "anna", 0], [2, "anna", 1], [3, "ben", 2]].forEach((each) => say(...each));
  const readers = () => rowsOf(lobby).filter(({ message }) => message).map((row) => row.readers);
  assert.deepEqual(readers(), [0, 0, 0]);
  lobby.readers.take({ userId: "ben", upToSeq: 1 });
  assert.deepEqual(readers(), [0, 0, 0]);
  for (const userId of ["ben", "cleo", "anna"]) lobby.readers.take({ userId, upToSeq: 3 });
  lobby.readers.take({ userId: "ben", upToSeq: 1 }); // late
  assert.deepEqual(readers(), [0, 2, 0]);
  rooms.amend({ roomId: "lobby", messageId: "m2", revision: 1, deletedAt: "2026-01-02T13:00:00.000Z" });
  assert.deepEqual(readers(), [2, 0, 0]);
});

test("people are called as they are here, or as they wrote last", () => {
  const { lobby, say } = room();
  say(1, "ben", 0, { sender_name: "Ben" });
  lobby.people.enter({ online: ["cleo"], onlineNames: { cleo: "Cleo" } });
  assert.deepEqual(["ben", "cleo", "dan"].map((each) => lobby.nameOf(each)), ["Ben", "Cleo", "dan"]);
});

test("one's role is known from those members that are listed", () => {
  const { rooms, lobby } = room();
  assert.equal(lobby.isModerated, false);
  rooms.describe("lobby", { name: "Lobby", members: [{ user_id: "ben", role: "member" }, { user_id: "anna", role: "admin" }] });
  assert.equal(lobby.isModerated, true);
  rooms.describe("lobby", { name: "Lobby", members: [{ user_id: "ben", role: "owner" }] });
  assert.equal(lobby.isModerated, true);
  rooms.describe("lobby", { name: "Lobby", members: [{ user_id: "anna", role: "member" }] });
  assert.equal(lobby.isModerated, false);
});
