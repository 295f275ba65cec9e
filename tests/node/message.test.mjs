import assert from "node:assert/strict";
import test from "node:test";

import { Store } from "../../chat/gateway/web/store.js";

const ID = "lobby.1.e1";
const AT = "2026-01-02T03:04:05.000Z";

function message(more = {}) {
  const standard = { id: ID, room_id: "lobby", seq: 1, sender_id: "ben", sender_name: "Ben", content: "hello" };
  return { ...standard, temp_id: "t", created_at: AT, reply_to: null, reactions: {}, _temp: false, ...more };
}

function store() {
  const made = new Store("anna");
  made.open("lobby");
  return made;
}

const about = (revision, more) => ({ roomId: "lobby", messageId: ID, revision, ...more });
const edit = (revision, content) => about(revision, { message: message({ content, revision, edited_at: AT }) });
const deletion = (revision) => about(revision, { seq: 1, deletedAt: AT });
const reaction = (revision, reactions) => about(revision, { reactions });
const page = (...messages) => ({ messages, has_more: false });
const said = (from) => {
  const { content, revision, reactions, editedAt, deletedAt } = from.room("lobby").byId(ID);
  return [content, revision, Object.keys(reactions).join(""), editedAt !== null, deletedAt !== null];
};

test("edits, reactions and the deletion are taken as they come", () => {
  const rooms = store();
  rooms.show(message());
  assert.deepEqual(said(rooms), ["hello", 0, "", false, false]);
  rooms.amend(edit(1, "hello!"));
  rooms.amend(reaction(2, { "👍": ["anna"] }));
  assert.deepEqual(said(rooms), ["hello!", 2, "👍", true, false]);
  const before = rooms.amend(deletion(3));
  assert.equal(before.content, "hello!");
  assert.deepEqual(said(rooms), ["", 3, "", true, true]);
});

test("an older page, event or confirmation does not undo a newer state", () => {
  const rooms = store();
  rooms.show(message({ _temp: true }));
  rooms.amend(edit(2, "newer"));
  rooms.addPage("lobby", page(message({ content: "older", revision: 1 })));
  rooms.amend(edit(1, "older"));
  rooms.confirm({ roomId: "lobby", seqs: [1] });
  rooms.show(message());
  assert.deepEqual(said(rooms), ["newer", 2, "", true, false]);
  assert.equal(rooms.room("lobby").byId(ID).state, "confirmed");
  rooms.addPage("lobby", page(message({ content: "newest", revision: 3 })));
  assert.equal(said(rooms)[0], "newest");
});

test("an event of the revision that is here tells what the one before it left out", () => {
  const rooms = store();
  rooms.show(message());
  rooms.amend(reaction(2, { "👍": ["anna"] })); // stored after an edit that is told after it
  rooms.amend(edit(2, "edited first"));
  assert.equal(said(rooms)[0], "edited first");
});

test("what is told of a message before its page was read is not forgotten", () => {
  const rooms = store();
  rooms.amend(edit(1, "edited"));
  rooms.amend(reaction(2, { "👍": ["anna"] }));
  rooms.addPage("lobby", page(message()));
  assert.deepEqual(said(rooms), ["edited", 2, "👍", true, false]);

  const others = store();
  others.amend(deletion(1));
  others.addPage("lobby", page(message({ content: "later", revision: 2 })));
  assert.deepEqual(said(others), ["later", 2, "", false, false]);
});

test("only so many changes of messages that are not here are remembered", () => {
  const rooms = store();
  rooms.amend(edit(1, "edited"));
  for (let n = 0; n < 500; n += 1) rooms.amend({ ...deletion(1), messageId: `other-${n}` });
  rooms.addPage("lobby", page(message()));
  assert.equal(said(rooms)[0], "hello");
});

test("a message that is changed while its room is read anew goes when it was not read again", () => {
  const rooms = store();
  rooms.show(message());
  rooms.beginReload("lobby");
  rooms.amend(edit(1, "edited"));
  rooms.endReload("lobby", page(message({ id: "lobby.9.e1", seq: 9 })));
  assert.deepEqual(rooms.room("lobby").ordered.map(({ seq }) => seq), [9]);
});

test("what was written in reply to a message says so from the beginning", () => {
  const rooms = store();
  rooms.queue({ tempId: "mine", roomId: "lobby", content: "yes", replyTo: ID, writtenAt: 5, state: "waiting" });
  assert.equal(rooms.room("lobby").ordered[0].replyTo, ID);
  rooms.show(message({ id: "lobby.2.e1", seq: 2, sender_id: "anna", temp_id: "mine", reply_to: ID }));
  assert.deepEqual(rooms.room("lobby").ordered.map(({ replyTo }) => replyTo), [ID]);
});
