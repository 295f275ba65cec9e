import assert from "node:assert/strict";
import test from "node:test";

import { delayMs, FIRST_DELAY_MS, LONGEST_DELAY_MS, mayComeBack } from "../../chat/gateway/web/backoff.js";

test("the wait doubles up to a bound, and half of it is random", () => {
  const longest = [0, 1, 2, 3].map((attempt) => delayMs(attempt, null, () => 1));
  assert.deepEqual(longest, [1, 2, 4, 8].map((factor) => FIRST_DELAY_MS * factor));
  assert.equal(delayMs(0, null, () => 0), FIRST_DELAY_MS / 2);
  assert.equal(delayMs(1000, null, () => 1), LONGEST_DELAY_MS);
});

test("what the server asks for is kept at first, and never undercut later", () => {
  assert.equal(delayMs(0, 1234, () => 1), 1234);
  assert.equal(delayMs(0, 0, () => 1), 0);
  assert.equal(delayMs(1, 60_000, () => 1), 60_000);
  assert.equal(delayMs(3, 0, () => 1), FIRST_DELAY_MS * 8);
});

test("codes from 4500 on say: do not come back", () => {
  assert.deepEqual([1000, 1001, 1006, 4001, 4499].map(mayComeBack), [true, true, true, true, true]);
  assert.deepEqual([4500, 4501, 4503, 4504].map(mayComeBack), [false, false, false, false]);
});
