import assert from "node:assert/strict";
import test from "node:test";

import { People } from "../../chat/gateway/web/people.js";

function people() {
  const made = new People("anna");
  made.enter({ online: ["cleo", "anna", "ben"], onlineNames: { cleo: "Cleo", anna: "Anna", ben: "Ben" }, onlineCount: 3 });
  return made;
}

const names = (from) => from.listed.map(({ name }) => name);
const status = (userId, more = {}) => ({ userId, userName: userId.toUpperCase(), isOnline: true, inRoom: true, ...more });

test("oneself comes first, and the others by name", () => {
  assert.deepEqual(names(people()), ["Anna", "Ben", "Cleo"]);
  assert.deepEqual(people().listed.map(({ isMe }) => isMe), [true, false, false]);
  assert.equal(people().isKnown, true);
  assert.equal(new People("anna").isKnown, false);
});

test("people come and go, once each", () => {
  const there = people();
  there.take(status("dan"));
  there.take(status("dan"));
  there.take(status("ben", { isOnline: false, inRoom: false, userName: null }));
  there.take(status("cleo", { inRoom: false }));
  there.take(status("nobody", { inRoom: false }));
  assert.deepEqual(names(there), ["Anna", "DAN"]);
  assert.equal(there.count, 2);
});

test("two of one name are two, and somebody without a name is an id", () => {
  const there = new People("anna");
  there.enter({ online: ["b2", "b1", "x"], onlineNames: { b1: "Ben", b2: "Ben" }, onlineCount: 3 });
  assert.deepEqual(there.listed.map(({ userId }) => userId), ["b1", "b2", "x"]);
  there.take(status("y", { userName: null }));
  assert.deepEqual(names(there), ["Ben", "Ben", "x", "y"]);
});

test("those that a large room does not list are counted", () => {
  const there = new People("anna");
  there.enter({ online: ["anna"], onlineNames: { anna: "Anna" }, onlineCount: 900 });
  assert.deepEqual([there.count, there.listed.length], [900, 1]);
  there.enter({ online: ["anna"] });
  assert.deepEqual([there.count, names(there)], [1, ["anna"]]);
});

test("a join after a drop tells the whole truth", () => {
  const there = people();
  there.enter({ online: ["anna"], onlineNames: { anna: "Anna" }, onlineCount: 1 });
  assert.deepEqual(names(there), ["Anna"]);
});
