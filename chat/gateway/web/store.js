// What is known of rooms and their messages. Pure state: nothing here touches the network, a clock or the page.

import { amendmentOf, fromOutbox, fromServer } from "./message.js";
import { Room } from "./room.js";

export class Store {
  #rooms = new Map();

  constructor(userId) {
    this.userId = userId;
  }

  get rooms() {
    return [...this.#rooms.values()];
  }

  room(roomId) {
    return this.#rooms.get(roomId);
  }

  open(roomId) {
    if (!this.#rooms.has(roomId)) this.#rooms.set(roomId, new Room(roomId, this.userId));
    return this.#rooms.get(roomId);
  }

  // Take what the server tells of a room; a large one lists only some of its members.
  describe(roomId, { name, members = [] }) {
    const room = this.#rooms.get(roomId);
    if (!room) return;
    room.name = name ?? roomId;
    room.role = members.find((each) => each.user_id === this.userId)?.role ?? room.role;
  }

  close(roomId) {
    this.#rooms.delete(roomId);
  }

  // Show what was just written, before anybody else knows of it.
  queue(entry) {
    this.#put(this.open(entry.roomId), `t:${entry.tempId}`, fromOutbox(entry, this.userId));
  }

  // Take a message from the server, live or from history; returns whether it is new here.
  show(data) {
    const room = this.#rooms.get(data.room_id);
    if (!room) return false;
    const known = this.#find(room, data);
    if (known?.id === data.id && known.state === "retracted") return false;
    const told = fromServer(data, known, this.userId);
    this.#put(room, known?.key ?? data.id, { ...told, ...room.ahead.take(told) });
    return !known;
  }

  // Take an edit, a deletion or a reaction; returns the message as it was, or undefined where it is not here.
  amend(event) {
    const room = this.#rooms.get(event.roomId);
    if (!room) return undefined;
    const amendment = amendmentOf(event);
    const known = room.byId(event.messageId);
    if (!known) room.ahead.note(amendment);
    else if (amendment.revision >= known.revision) room.put({ ...known, ...amendment.said });
    return known;
  }

  // A page of history; with `isOldest` it says too whether there are older ones than it.
  addPage(roomId, { messages, has_more: hasMore }, { isOldest = false } = {}) {
    const room = this.#rooms.get(roomId);
    if (!room) return;
    for (const data of messages) this.show(data);
    if (isOldest) room.hasMore = hasMore;
  }

  // What is shown may be out of date: `endReload` drops all of it that was not seen again since.
  beginReload(roomId) {
    const room = this.open(roomId);
    room.generation += 1;
    room.isLoaded = false;
  }

  endReload(roomId, page) {
    const room = this.room(roomId);
    if (!room) return;
    this.addPage(roomId, page, { isOldest: true });
    room.isLoaded = true;
    room.drop((message) => {
      return message.generation < room.generation && (!message.isHere || message.state === "confirmed");
    });
  }

  // The server's word on something this user sent, by temp id.
  settle({ roomId, tempId, state, id, seq, error }) {
    const message = this.room(roomId)?.messages.get(`t:${tempId}`);
    if (!message) return;
    if (state === "failed") this.fail({ roomId, tempId, error });
    else if (message.state !== "confirmed") this.#change(roomId, message, { id, seq, state, error: null });
  }

  confirmMine({ tempId, realId, message }) {
    this.show({ ...message, id: realId, temp_id: tempId, _temp: false });
  }

  // By number, to those who did not send them.
  confirm({ roomId, seqs }) {
    const confirmed = new Set(seqs);
    for (const message of this.room(roomId)?.messages.values() ?? []) {
      if (message.state === "pending" && confirmed.has(message.seq)) {
        this.#change(roomId, message, { state: "confirmed" });
      }
    }
  }

  fail({ roomId, tempId, error }) {
    const isIt = (message) => message.isMine && message.tempId === tempId && message.state !== "confirmed";
    const message = this.#search(roomId, isIt);
    if (message) this.#change(roomId, message, { state: "failed", error, id: null, seq: null });
  }

  retract({ roomId, messageId }) {
    const message = this.room(roomId)?.byId(messageId);
    if (message && !message.isHere) this.#change(roomId, message, { state: "retracted", content: "" });
  }

  // Try again: its number, if it ever had one, is not its number any more.
  retry(roomId, tempId) {
    const message = this.room(roomId)?.messages.get(`t:${tempId}`);
    if (message) this.#change(roomId, message, { state: "sending", error: null });
  }

  discard(roomId, key) {
    this.room(roomId)?.drop((message) => message.key === key);
  }

  // What is shown and not confirmed yet, but for what the outbox of this window asks after.
  pendingOf(roomId) {
    return (this.room(roomId)?.ordered ?? []).filter(({ state, isHere }) => state === "pending" && !isHere);
  }

  // A page read again after `after`: what waited to be confirmed and is not in it any more was retracted.
  compare(roomId, after, page, asked) {
    this.addPage(roomId, page);
    const found = new Set(page.messages.map(({ id }) => id));
    const until = page.has_more ? page.messages.at(-1).seq : Infinity;
    for (const { id, seq } of asked) {
      if (seq > after && seq <= until && !found.has(id)) this.retract({ roomId, messageId: id });
    }
  }

  // Let go of the oldest ones; they can be read again.
  trim(roomId, keep) {
    const room = this.room(roomId);
    const surplus = room ? room.ordered.length - keep : 0;
    if (surplus <= 0) return;
    const oldest = new Set(room.ordered.slice(0, surplus).filter(({ seq }) => seq !== null));
    room.hasMore ||= oldest.size > 0;
    room.drop((message) => oldest.has(message));
  }

  #find(room, { id, temp_id: tempId, sender_id: senderId }) {
    const queued = senderId === this.userId ? room.messages.get(`t:${tempId}`) : undefined;
    return queued ?? room.messages.get(id);
  }

  #search(roomId, isIt) {
    for (const message of this.room(roomId)?.messages.values() ?? []) if (isIt(message)) return message;
    return undefined;
  }

  #put(room, key, message) {
    room.put({ ...message, key, generation: room.generation });
  }

  #change(roomId, message, change) {
    this.#put(this.room(roomId), message.key, { ...message, ...change });
  }
}
