import assert from "node:assert/strict";
import test from "node:test";

import { Directory } from "../../chat/gateway/web/directory.js";

function scene({ livesS = 3600, answer = {}, isOk = true } = {}) {
  const asked = [];
  const at = { tokens: 0 };
  const claims = Buffer.from(JSON.stringify({ exp: 1000 + livesS })).toString("base64url");
  const identity = { token: async () => `h.${claims}.${++at.tokens}` };
  const request = async (url, { method, headers, body }) => {
    asked.push([method, url, headers.Authorization.split(".")[2], body]);
    return { ok: isOk, json: async () => answer };
  };
  return { directory: new Directory(identity, request, () => 1_000_000), asked, at };
}

test("nothing is read of an answer without a body", async () => {
  const { directory, asked } = scene({ answer: undefined });
  directory.request = async (...all) => (asked.push(all), { ok: true, status: 204 });
  assert.equal(await directory.removeDevice("d1"), null);
});

test("one token serves many questions while it lives", async () => {
  const { directory, asked } = scene({ answer: { seen: [{ user_id: "ben", up_to_seq: 4, seen_at: "x" }] } });
  await Promise.all([directory.describe("lobby"), directory.describe("den")]);
  assert.deepEqual(await directory.readers("lobby", 3), [{ userId: "ben", upToSeq: 4 }]);
  assert.deepEqual(asked, [
    ["GET", "api/v1/rooms/lobby", "1", undefined],
    ["GET", "api/v1/rooms/den", "1", undefined],
    ["GET", "api/v1/rooms/lobby/seen?seq=3", "1", undefined],
  ]);
});

test("a token that is about to run out is replaced", async () => {
  const { directory, at } = scene({ livesS: 5 });
  await directory.describe("lobby");
  await directory.describe("lobby");
  assert.equal(at.tokens, 2);
});

test("a room is made under an id that its name makes, and a refusal is told in its words", async () => {
  const { directory, asked } = scene({ answer: { id: "the-den" } });
  assert.equal(await directory.make({ name: "The den", type: "group", members: ["ben"] }), "the-den");
  assert.deepEqual(JSON.parse(asked[0][3]), { id: "the-den", name: "The den", type: "group", members: ["ben"] });
  const refused = scene({ isOk: false, answer: { detail: "the id is taken" } });
  await assert.rejects(refused.directory.make({ name: "x", type: "group", members: [] }), /the id is taken/);
});
