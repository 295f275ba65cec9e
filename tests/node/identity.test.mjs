import assert from "node:assert/strict";
import test from "node:test";

import { claimsOf, Identity, SignInNeeded, slug } from "../../chat/gateway/web/identity.js";
import { MemoryStorage } from "./fakes.mjs";

function identity(mode, request) {
  const [local, session] = [new MemoryStorage(), new MemoryStorage()];
  return { local, session, mine: new Identity(mode, { local, session, request }) };
}

function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part(claims)}.signature`;
}

const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;

test("any name becomes an id, and different ones stay different", () => {
  assert.equal(slug("Ben"), "Ben");
  assert.equal(slug("Anna Müller!"), "anna-muller");
  for (const name of ["日本", "中国", " - ", "😀", "x".repeat(99)]) assert.match(slug(name), /^[A-Za-z0-9_.-]{1,64}$/);
  assert.notEqual(slug("日本"), slug("中国"));
});

test("a browser's Anna stays the same Anna, and is another than the next browser's", () => {
  const { mine, local } = identity("dev");
  mine.signInAs(" Anna ");
  const { userId, name } = mine.person;
  assert.match(userId, /^Anna-[a-z0-9]{6}$/);
  assert.equal(name, "Anna");
  mine.signOut();
  assert.equal(mine.person, null);
  const later = new Identity("dev", { local, session: new MemoryStorage() });
  later.signInAs(later.lastName);
  assert.equal(later.person.userId, userId);
  const other = identity("dev").mine;
  other.signInAs("Anna");
  assert.notEqual(other.person.userId, userId);
  assert.throws(() => mine.signInAs("  "), SignInNeeded);
});

test("in dev mode the server mints the token", async () => {
  const asked = [];
  const { mine } = identity("dev", async (path, { body }) => {
    asked.push([path, JSON.parse(body)]);
    return { ok: true, status: 200, json: async () => ({ token: "minted" }) };
  });
  mine.signInAs("Anna");
  assert.equal(await mine.token(), "minted");
  assert.deepEqual(asked, [["api/v1/dev/token", { user_id: mine.person.userId, user_name: "Anna" }]]);
});

test("a token is kept for this window only", () => {
  const { mine, local, session } = identity("jwt");
  mine.signInWith(token({ sub: "u1", name: "Zoë", exp: inAnHour() }));
  assert.deepEqual(mine.person, { userId: "u1", name: "Zoë" });
  assert.equal(local.items.size, 0);
  mine.signOut();
  assert.equal(session.items.size, 0);
});

test("what is no token, or an old one, is told at once", () => {
  const { mine } = identity("jwt");
  assert.throws(() => mine.signInWith("nonsense"), SignInNeeded);
  assert.throws(() => mine.signInWith(token({ sub: "u1", exp: 1 })), /run out/);
  assert.equal(claimsOf("a.%%.c"), null);
});

test("after a failed attempt the server is asked what it thinks of the token", async () => {
  let status = 401;
  const { mine } = identity("jwt", async () => ({ status, json: async () => ({ detail: "no, thanks" }) }));
  const mineToken = token({ sub: "u1", exp: inAnHour() });
  mine.signInWith(mineToken);
  assert.equal(await mine.token({ attempt: 0 }), mineToken);
  await assert.rejects(mine.token({ attempt: 1 }), (error) => error.isFinal && error.message === "no, thanks");
  status = 503;
  assert.equal(await mine.token({ attempt: 1 }), mineToken);
});
