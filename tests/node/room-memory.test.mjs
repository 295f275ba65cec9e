import assert from "node:assert/strict";
import test from "node:test";

import { RoomMemory } from "../../chat/gateway/web/room-memory.js";
import { MemoryStorage } from "./fakes.mjs";

test("open rooms are kept for each person", () => {
  const storage = new MemoryStorage();
  new RoomMemory(storage, "anna").save(["lobby", "den"]);
  assert.deepEqual(new RoomMemory(storage, "anna").open, ["lobby", "den"]);
  assert.deepEqual(new RoomMemory(storage, "ben").open, []);
  storage.setItem("chat.rooms.anna", "{broken");
  assert.deepEqual(new RoomMemory(storage, "anna").open, []);
});

test("a room that was left stays so until it is entered again", () => {
  const memory = new RoomMemory(new MemoryStorage(), "anna");
  memory.leave("lobby");
  memory.leave("lobby");
  memory.leave("den");
  assert.deepEqual(["lobby", "den", "attic"].map((each) => memory.wasLeft(each)), [true, true, false]);
  memory.enter("lobby");
  assert.deepEqual(["lobby", "den"].map((each) => memory.wasLeft(each)), [false, true]);
});

test("only so many left rooms are remembered", () => {
  const memory = new RoomMemory(new MemoryStorage(), "anna");
  for (let n = 0; n <= 1000; n += 1) memory.leave(`room-${n}`);
  assert.deepEqual(["room-0", "room-1", "room-1000"].map((each) => memory.wasLeft(each)), [false, true, true]);
});
