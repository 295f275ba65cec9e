import assert from "node:assert/strict";
import { test } from "node:test";

import { Reading } from "../../chat/gateway/web/reading.js";

function scene() {
  const marked = [];
  const timers = [];
  const clock = { setTimeout: (call) => timers.push(call), clearTimeout: () => timers.splice(0) };
  const at = { seq: 3, isReady: true, fault: null };
  const ask = async (event, { seq }) => {
    marked.push(seq);
    if (at.fault) throw at.fault;
  };
  const reading = new Reading({ isReady: () => at.isReady, ask }, () => at.seq, clock);
  const look = async () => {
    reading.look("r1");
    for (const call of timers.splice(0)) call();
    await null;
  };
  return { reading, marked, at, look, timers };
}

test("what is in sight is marked once", async () => {
  const { marked, at, look } = scene();
  await look();
  await look();
  at.seq = 5;
  await look();
  assert.deepEqual(marked, [3, 5]);
});

test("what came after the last look is not marked with it", async () => {
  const { reading, marked, at, timers } = scene();
  reading.look("r1");
  at.seq = 4; // the window is hidden by now
  for (const call of timers.splice(0)) call();
  await null;
  assert.deepEqual(marked, [3]);
});

test("many looks are one mark", () => {
  const { reading, timers } = scene();
  for (let n = 0; n < 5; n += 1) reading.look("r1");
  assert.equal(timers.length, 1);
});

test("nothing is marked that was read before, or where nothing is", async () => {
  const { reading, marked, at, look } = scene();
  reading.known("r1", 3);
  await look();
  at.seq = null;
  await look();
  at.seq = 9;
  at.isReady = false;
  await look();
  assert.deepEqual(marked, []);
});

test("it is tried again when it was refused", async () => {
  const { marked, at, look } = scene();
  at.fault = new Error("lost");
  await look();
  at.fault = null;
  await look();
  assert.deepEqual(marked, [3, 3]);
});
