import assert from "node:assert/strict";
import { test } from "node:test";

import { Typing } from "../../chat/gateway/web/typing.js";

function scene() {
  const said = [];
  const timers = new Map();
  const clock = {
    setTimeout: (call) => timers.set(call, call) && call,
    clearTimeout: (timer) => timers.delete(timer),
  };
  const at = { now: 0, isReady: true };
  const client = { isReady: () => at.isReady, ask: async (event, data) => void said.push([event, data.isTyping]) };
  const changed = [];
  const typing = new Typing(client, (roomId) => changed.push(roomId), clock, () => at.now);
  return { typing, said, at, changed, timers };
}

const ann = { roomId: "r1", userId: "ann", userName: "Ann" };

test("it is said now and then while somebody writes, and its end once", () => {
  const { typing, said, at } = scene();
  for (const text of ["h", "he", "hel"]) typing.wrote("r1", text);
  at.now = 1_600;
  typing.wrote("r1", "hell");
  typing.wrote("r1", " ");
  typing.wrote("r1", "");
  assert.deepEqual(said, [["chat-typing", true], ["chat-typing", true], ["chat-typing", false]]);
});

test("it is said anew after a message was sent", () => {
  const { typing, said } = scene();
  typing.wrote("r1", "h");
  typing.sent("r1");
  typing.wrote("r1", "");
  typing.wrote("r1", "a");
  assert.deepEqual(said, [["chat-typing", true], ["chat-typing", true]]);
});

test("nothing is said where there is no connection", () => {
  const { typing, said, at } = scene();
  at.isReady = false;
  typing.wrote("r1", "h");
  assert.deepEqual(said, []);
});

test("the line names who is typing", () => {
  const { typing, changed } = scene();
  assert.equal(typing.line("r1"), "");
  typing.heard({ ...ann, isTyping: true });
  assert.equal(typing.line("r1"), "Ann is typing…");
  typing.heard({ ...ann, userId: "ben", userName: "Ben", isTyping: true });
  assert.equal(typing.line("r1"), "Ann and Ben are typing…");
  for (const name of ["Cleo", "Dan"]) typing.heard({ ...ann, userId: name, userName: name, isTyping: true });
  assert.equal(typing.line("r1"), "Several people are typing…");
  assert.equal(typing.line("r2"), "");
  assert.equal(changed.length, 4);
});

test("somebody whose end never came is forgotten", () => {
  const { typing, timers } = scene();
  typing.heard({ ...ann, isTyping: true });
  typing.heard({ ...ann, isTyping: true });
  assert.equal(timers.size, 1);
  [...timers.values()][0]();
  assert.equal(typing.line("r1"), "");
});
