// What is known of rooms and their messages. Pure state: nothing here touches the network, a clock or the page.
//
// A message is `sending` (only here), `pending` (shown to the room, not stored yet), `confirmed`, `failed` (kept by
// nobody but its writer) or `retracted` (it was shown and could not be kept). It never goes back from `confirmed`.

import { People } from "./people.js";

const UNSENT = Number.MAX_SAFE_INTEGER; // sorts behind everything that has a number

export class Room {
  constructor(id, userId) {
    this.id = id;
    this.name = id; // until its real one is heard of
    this.messages = new Map(); // key -> message
    this.people = new People(userId); // who is online here
    this.hasMore = false; // older messages than these
    this.isLoaded = false; // the newest page was read, and nothing was missed since
    this.unseen = 0;
    this.generation = 0;
    this.sorted = null;
  }

  // All messages in the order in which everybody sees them; unsent ones behind, as they were written.
  get ordered() {
    this.sorted ??= [...this.messages.values()].sort((a, b) => (a.seq ?? UNSENT) - (b.seq ?? UNSENT));
    return this.sorted;
  }

  get oldestSeq() {
    return this.ordered[0]?.seq ?? null;
  }
}

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

  rename(roomId, name) {
    const room = this.#rooms.get(roomId);
    if (room) room.name = name ?? roomId;
  }

  close(roomId) {
    this.#rooms.delete(roomId);
  }

  // Show what was just written, before anybody else knows of it.
  queue({ tempId, roomId, content, writtenAt, state, error }) {
    const isFailed = state === "failed";
    this.#put(this.open(roomId), `t:${tempId}`, {
      id: null,
      seq: null,
      tempId,
      senderId: this.userId,
      senderName: null,
      content,
      at: writtenAt,
      state: isFailed ? "failed" : "sending",
      error: isFailed ? error : null,
      isMine: true,
      isHere: true, // written in this window, whose outbox can send it again
    });
  }

  // Take a message from the server, live or from history; returns whether it is new here.
  show(data) {
    const room = this.#rooms.get(data.room_id);
    if (!room) return false;
    const known = this.#find(room, data);
    const isSame = known?.id === data.id;
    const isDurable = data._temp === false || (isSame && known.state === "confirmed");
    if (isSame && known.state === "retracted") return false;
    this.#put(room, known?.key ?? data.id, {
      id: data.id,
      seq: data.seq,
      tempId: data.temp_id,
      senderId: data.sender_id,
      senderName: data.sender_name,
      content: data.content,
      at: Date.parse(data.created_at),
      state: isDurable ? "confirmed" : "pending",
      error: null,
      isMine: data.sender_id === this.userId,
      isHere: known?.isHere ?? false,
    });
    return !known;
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
    this.#drop(roomId, (message) => {
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
    const message = this.#search(roomId, ({ id }) => id === messageId);
    if (message && !message.isHere) this.#change(roomId, message, { state: "retracted", content: "" });
  }

  // Try again: its number, if it ever had one, is not its number any more.
  retry(roomId, tempId) {
    const message = this.room(roomId)?.messages.get(`t:${tempId}`);
    if (message) this.#change(roomId, message, { state: "sending", error: null });
  }

  discard(roomId, key) {
    this.#drop(roomId, (message) => message.key === key);
  }

  // What is shown and not confirmed yet, but for what the outbox of this window asks after.
  pendingOf(roomId) {
    return (this.room(roomId)?.ordered ?? []).filter(({ state, isHere }) => state === "pending" && !isHere);
  }

  // A page read again after `after`: what waited to be confirmed and is not in it any more was retracted.
  compare(roomId, after, page, asked) {
    this.addPage(roomId, page);
    const found = new Set(page.messages.map(({ id }) => id));
    const until = page.has_more ? page.messages.at(-1).seq : UNSENT;
    for (const { id, seq } of asked) {
      if (seq > after && seq <= until && !found.has(id)) this.retract({ roomId, messageId: id });
    }
  }

  // The number of the newest message that somebody else wrote, null where there is none.
  newestOfOthers(roomId) {
    const found = (this.room(roomId)?.ordered ?? []).findLast(({ isMine, seq }) => !isMine && seq !== null);
    return found?.seq ?? null;
  }

  // Let go of the oldest ones; they can be read again.
  trim(roomId, keep) {
    const room = this.room(roomId);
    const surplus = room ? room.ordered.length - keep : 0;
    if (surplus <= 0) return;
    const oldest = new Set(room.ordered.slice(0, surplus).filter(({ seq }) => seq !== null));
    room.hasMore ||= oldest.size > 0;
    this.#drop(roomId, (message) => oldest.has(message));
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
    room.messages.set(key, { ...message, key, generation: room.generation });
    room.sorted = null;
  }

  #change(roomId, message, change) {
    this.#put(this.room(roomId), message.key, { ...message, ...change });
  }

  #drop(roomId, isSurplus) {
    const room = this.room(roomId);
    if (!room) return;
    for (const message of [...room.messages.values()]) {
      if (isSurplus(message)) room.messages.delete(message.key);
    }
    room.sorted = null;
  }
}
