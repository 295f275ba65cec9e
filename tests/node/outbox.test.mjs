import assert from "node:assert/strict";
import test from "node:test";

import { newTempId, Outbox, OUTBOX_LIMIT, OutboxFull } from "../../chat/gateway/web/outbox.js";
import { MemoryStorage } from "./fakes.mjs";

test("temp ids are ids, and all different", () => {
  const made = new Set(Array.from({ length: 1000 }, newTempId));
  assert.equal(made.size, 1000);
  for (const each of made) assert.match(each, /^[A-Za-z0-9_.-]{1,64}$/);
});

test("entries come back in their order and state after a reload", () => {
  const storage = new MemoryStorage();
  const outbox = new Outbox(storage, "key", () => 7);
  const [first, second, third] = ["one", "two", "three"].map((text) => outbox.add("lobby", text));
  outbox.mark(first.tempId, "sent");
  outbox.mark(second.tempId, "failed", { code: "overloaded", retryable: true });
  outbox.remove(third.tempId);

  const again = new Outbox(storage, "key");
  assert.deepEqual(again.entries, [
    { ...first, state: "sent" },
    { ...second, state: "failed", error: { code: "overloaded", retryable: true } },
  ]);
  assert.deepEqual(new Outbox(storage, "another person").entries, []);
  for (const { tempId } of again.entries) again.remove(tempId);
  assert.equal(storage.items.size, 0);
});

test("the next one is the first that waits in a room that is ready", () => {
  const outbox = new Outbox(new MemoryStorage(), "key");
  const [first, second, third] = ["a", "b", "a"].map((room) => outbox.add(room, "text"));
  assert.equal(outbox.next((room) => room === "a"), first);
  outbox.mark(first.tempId, "sent");
  assert.equal(outbox.next(() => true), second);
  assert.equal(outbox.next((room) => room === "a"), third);
  assert.equal(outbox.next(() => false), undefined);
});

test("it has a limit, and lives without a storage that works", () => {
  const broken = { getItem: () => "{not json", setItem: () => assert.fail("full"), removeItem: () => {} };
  const outbox = new Outbox(broken, "key");
  for (let number = 0; number < OUTBOX_LIMIT; number++) outbox.add("lobby", "text");
  assert.throws(() => outbox.add("lobby", "text"), OutboxFull);
});
