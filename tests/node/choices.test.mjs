import assert from "node:assert/strict";
import { test } from "node:test";

import { isQuiet, wants } from "../../chat/gateway/web/choices.js";

const NOON = Date.UTC(2026, 0, 31, 12, 0);
const ALL = { mode: "all", quiet_hours: null };
const NOTHING = { mode: null, muted_until: null };
const at = (ms) => new Date(ms).toISOString();

test("a room's mode goes before one's own, but not before none", () => {
  const told = (mine, room, isNamed = false, roomId = "r1") =>
    wants({ ...ALL, mode: mine }, { ...NOTHING, mode: room }, roomId, isNamed, NOON);
  assert.deepEqual([told("all", null), told("mentions", null), told("none", null)], [true, false, false]);
  assert.deepEqual([told("all", "none"), told("mentions", "all"), told("none", "all")], [false, true, false]);
  assert.deepEqual([told("mentions", null, true), told("mentions", null, false, "direct-a")], [true, true]);
  assert.deepEqual([told("all", "none", true), told("all", "none", false, "direct-a")], [false, false]);
});

test("a mute holds back everything until it is over", () => {
  const told = (ms) => wants(ALL, { ...NOTHING, muted_until: at(ms) }, "direct-a", true, NOON);
  assert.deepEqual([told(NOON + 1), told(NOON - 1)], [false, true]);
});

test("quiet hours are those of their zone, over midnight too", () => {
  const hours = (from, to, tz = "UTC") => ({ from, to, tz });
  assert.equal(isQuiet(null, NOON), false);
  assert.deepEqual([isQuiet(hours("12:00", "13:00"), NOON), isQuiet(hours("11:00", "12:00"), NOON)], [true, false]);
  assert.deepEqual([isQuiet(hours("22:00", "12:01"), NOON), isQuiet(hours("22:00", "12:00"), NOON)], [true, false]);
  assert.deepEqual([isQuiet(hours("00:00", "00:01"), NOON + 12 * 3_600_000), isQuiet(hours("13:00", "14:00", "Europe/Berlin"), NOON)], [true, true]);
  assert.equal(wants({ ...ALL, quiet_hours: hours("11:00", "13:00") }, NOTHING, "r1", true, NOON), false);
});
