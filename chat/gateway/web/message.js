// What one message is to this page, and which of two states of it is the newer one. Pure functions of records.
//
// A message is `sending` (only here), `pending` (shown to the room, not stored yet), `confirmed`, `failed` (kept by
// nobody but its writer) or `retracted` (it was shown and could not be kept). It never goes back from `confirmed`.
// What it says has a `revision` that counts its edits, reactions and the deletion; it never goes back either.

const AHEAD_AT_MOST = 500; // changes that are remembered until their message is read

// What was just written here, before anybody else knows of it.
export function fromOutbox({ content, tempId, writtenAt, replyTo, state, error }, userId) {
  const isFailed = state === "failed";
  return {
    id: null,
    seq: null,
    tempId,
    senderId: userId,
    senderName: null,
    ...saidBy({ content, reply_to: replyTo }),
    at: writtenAt,
    state: isFailed ? "failed" : "sending",
    error: isFailed ? error : null,
    isMine: true,
    isHere: true, // written in this window, whose outbox can send it again
  };
}

// What the server says, live or from history; `known` is what was here under its id or temp id before.
export function fromServer(data, known, userId) {
  const isSame = known?.id === data.id;
  const isDurable = data._temp === false || (isSame && known.state === "confirmed");
  const told = saidBy(data);
  return {
    id: data.id,
    seq: data.seq,
    tempId: data.temp_id,
    senderId: data.sender_id,
    senderName: data.sender_name,
    ...(isSame && known.revision > told.revision ? saidIn(known) : told),
    at: Date.parse(data.created_at),
    state: isDurable ? "confirmed" : "pending",
    error: null,
    isMine: data.sender_id === userId,
    isHere: known?.isHere ?? false,
  };
}

// What an event about a message changes: `{messageId, revision, said}`.
export function amendmentOf({ messageId, revision, message, deletedAt, reactions }) {
  if (message) return { messageId, revision, said: saidBy({ ...message, revision }) };
  const said = deletedAt ? { content: "", deletedAt, reactions: {} } : { reactions };
  return { messageId, revision, said: { ...said, revision } };
}

// Changes that came before the page of history with their message: an older page must not undo them.
export class Ahead {
  #changes = new Map(); // message id -> what it says since

  note({ messageId, said }) {
    const before = this.#changes.get(messageId);
    if (before?.revision > said.revision) return;
    this.#changes.delete(messageId); // to the end: the oldest go first
    this.#changes.set(messageId, { ...before, ...said });
    if (this.#changes.size > AHEAD_AT_MOST) this.#changes.delete(this.#changes.keys().next().value);
  }

  // What is newer than `message` says, once; nothing where it is up to date.
  take({ id, revision }) {
    const said = this.#changes.get(id);
    this.#changes.delete(id);
    return said?.revision > revision ? said : {};
  }
}

function saidBy(data) {
  return {
    content: data.content,
    replyTo: data.reply_to ?? null,
    editedAt: data.edited_at ?? null,
    deletedAt: data.deleted_at ?? null,
    reactions: data.reactions ?? {},
    revision: data.revision ?? 0,
  };
}

function saidIn({ content, replyTo, editedAt, deletedAt, reactions, revision }) {
  return { content, replyTo, editedAt, deletedAt, reactions, revision };
}
