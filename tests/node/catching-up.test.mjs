import assert from "node:assert/strict";
import test from "node:test";

import { Amending } from "../../chat/gateway/web/amending.js";
import { CatchingUp } from "../../chat/gateway/web/catching-up.js";
import { RequestFailed } from "../../chat/gateway/web/requests.js";
import { Store } from "../../chat/gateway/web/store.js";

const message = (seq, sender = "ben") => ({
  ...{ id: `m${seq}`, room_id: "lobby", seq, sender_id: sender, sender_name: sender, content: `text ${seq}` },
  ...{ created_at: "2026-01-02T03:04:05.000Z", temp_id: `t${seq}`, _temp: false },
});

function scene({ pages = [], fault = null } = {}) {
  const [asked, faults] = [[], []];
  const store = new Store("anna");
  store.open("lobby");
  const client = {
    isOnline: true,
    history: async (roomId, range) => {
      asked.push(range);
      if (fault) throw fault;
      return pages.shift();
    },
  };
  const directory = {
    describe: async () => void asked.push("describe") ?? { name: "The lobby", members: [] },
    readers: async (roomId, seq) => void asked.push(`readers ${seq}`) ?? [{ userId: "ben", upToSeq: seq }],
  };
  const told = { onChange: () => {}, onFault: (text) => faults.push(text) };
  return { store, asked, faults, lobby: store.room("lobby"), catchingUp: new CatchingUp(client, store, directory, told) };
}

test("older pages are read one at a time, until the room begins", async () => {
  const pages = [
    { messages: [message(2)], has_more: true },
    { messages: [message(1)], has_more: false },
  ];
  const { catchingUp, asked, lobby } = scene({ pages });
  await catchingUp.reload("lobby");
  await Promise.all([catchingUp.loadOlder("lobby"), catchingUp.loadOlder("lobby")]);
  await catchingUp.loadOlder("lobby");
  assert.deepEqual(asked, [{ limit: 50 }, { before: 2, limit: 50 }]);
  assert.deepEqual(lobby.ordered.map(({ seq }) => seq), [1, 2]);
});

test("what could not be read is told, unless the connection was lost", async () => {
  const refused = scene({ fault: new RequestFailed("store-unavailable", "the store is away") });
  refused.lobby.hasMore = true;
  await refused.catchingUp.loadOlder("lobby");
  assert.deepEqual(refused.faults, ["the store is away"]);
  const lost = scene({ fault: new RequestFailed("timeout", "no answer") });
  await lost.catchingUp.reload("lobby");
  assert.deepEqual([lost.faults, lost.lobby.isLoaded], [[], false]);
});

test("a room is looked up when something was missed, and its readers where one wrote", async () => {
  const { catchingUp, asked, lobby, store } = scene();
  await catchingUp.lookUp("lobby", false);
  assert.deepEqual([asked, lobby.name], [["describe"], "The lobby"]);
  store.show(message(3, "anna"));
  await catchingUp.lookUp("lobby", true);
  assert.deepEqual([asked.slice(1), lobby.readers.of(3)], [["readers 3"], ["ben"]]);
});

test("a reaction says whether it comes or goes, and what was not done is told", async () => {
  const [asked, faults] = [[], []];
  const at = { fault: null };
  const ask = async (event, data) => {
    asked.push([event, data]);
    if (at.fault) throw at.fault;
  };
  const amending = new Amending({ ask }, "anna", (text) => faults.push(text));
  assert.equal(await amending.react({ id: "m1", reactions: { "👍": ["ben"] } }, "👍"), true);
  await amending.react({ id: "m1", reactions: { "👍": ["ben", "anna"] } }, "👍");
  assert.deepEqual(asked.map(([, { remove }]) => remove), [false, true]);
  at.fault = new RequestFailed("forbidden", "only its author can edit a message");
  assert.equal(await amending.edit({ id: "m1" }, "x"), false);
  at.fault = new RequestFailed("offline", "there is no connection");
  assert.equal(await amending.remove({ id: "m1" }), false);
  assert.deepEqual(faults, ["only its author can edit a message", "There is no connection. Try it again in a moment."]);
});
