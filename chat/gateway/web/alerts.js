// While nobody sees the page, it has its service worker show what comes: to who is connected the server pushes nothing.
// A notification is made as a push makes it, so that one takes the other's place.

import { wants } from "./choices.js";

const GRACE_MS = 3_000; // it may be read on another device meanwhile, and many messages are one notification
const FRESH_MS = 60_000; // so long what was chosen is believed
const TRIES = 20; // of finding out what was chosen, a pause apart: a minute
const BODY_LIMIT = 300; // characters

export class Alerts {
  #news = new Map(); // room id -> its newest message, the newest that names one, and how often it could not be shown
  #chosen = new Map(); // what was asked -> what the server says of it, and when it was asked
  #timer = null;

  // `isVisible()` tells whether the page is; `push` is whether notifications are on here, and the way to the worker.
  constructor({ push, store, directory, isVisible, clock = globalThis, now = () => Date.now() }) {
    this.push = push;
    this.store = store;
    this.directory = directory;
    this.isVisible = isVisible;
    this.clock = clock;
    this.now = now;
  }

  // Somebody else wrote a message that is new here.
  heard({ id, room_id: roomId, metadata }) {
    if (this.isVisible() || !this.push.isOn) return;
    const isNamed = metadata?.mentions?.includes(this.store.userId) ?? false;
    this.#news.set(roomId, { newest: id, naming: isNamed ? id : this.#news.get(roomId)?.naming, failed: 0 });
    this.#showSoon();
  }

  // So much of a room is unread by now, wherever it was read.
  async counted(roomId, unread) {
    if (unread !== 0 || !this.push.isOn) return;
    this.#news.delete(roomId);
    const seq = this.store.room(roomId)?.newestOfOthers?.seq ?? 0;
    this.push.tell({ kind: "clear", roomId, seq, unread: this.#unread, collapse: await collapseOf(roomId) });
  }

  stop() {
    this.clock.clearTimeout(this.#timer);
    this.#news.clear();
  }

  get #unread() {
    return this.store.rooms.reduce((sum, room) => sum + room.unseen, 0);
  }

  #showSoon() {
    this.#timer ??= this.clock.setTimeout(() => {
      this.#timer = null;
      this.#showAll();
    }, GRACE_MS);
  }

  #showAll() {
    const news = [...this.#news];
    this.#news.clear();
    if (this.isVisible()) return; // who comes back sees what is unread
    for (const [roomId, told] of news) this.#show(roomId, told).catch(() => this.#again(roomId, told));
  }

  // What one chose can't be known now: nothing is shown to whom it may disturb, and nothing is lost to who wants it.
  #again(roomId, { newest, naming, failed }) {
    const since = this.#news.get(roomId);
    if (this.isVisible() || failed + 1 === TRIES) return;
    this.#news.set(roomId, { newest: since?.newest ?? newest, naming: since?.naming ?? naming, failed: failed + 1 });
    this.#showSoon();
  }

  async #show(roomId, { newest, naming }) {
    const [mine, chosen] = await Promise.all([
      this.#known("me", () => this.directory.myPush()),
      this.#known(`room ${roomId}`, () => this.directory.roomPush(roomId)),
    ]);
    const wanted = (isNamed) => wants(mine, chosen, roomId, isNamed, this.now());
    const room = this.store.room(roomId);
    const message = room?.byId((wanted(false) && newest) || (wanted(true) && naming) || null);
    if (!message || message.deletedAt || message.state === "retracted" || room.unseen === 0) return;
    const collapse = await collapseOf(roomId);
    const { id: messageId, seq } = message;
    this.push.tell({ kind: "message", roomId, messageId, seq, ...textOf(message, room), unread: this.#unread, collapse });
  }

  // Rooms that want to know at once share one question; one that failed is asked again.
  #known(name, ask) {
    const before = this.#chosen.get(name);
    if (before && this.now() - before.at < FRESH_MS) return before.said;
    const said = ask();
    this.#chosen.set(name, { said, at: this.now() });
    said.catch(() => this.#chosen.delete(name));
    return said;
  }
}

// What makes a later notification of a room take the place of the one before, as the server makes it.
export async function collapseOf(roomId) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(roomId));
  const text = btoa(String.fromCharCode(...new Uint8Array(digest)));
  return text.replaceAll("+", "-").replaceAll("/", "_").slice(0, 32);
}

function textOf({ senderName, senderId, content }, { id, name, unseen }) {
  const sender = senderName || senderId;
  const line = content.trim().split(/\s+/).join(" ");
  const body = line.length > BODY_LIMIT ? `${line.slice(0, BODY_LIMIT - 1)}…` : line;
  const title = id.startsWith("direct-") ? sender : `${sender} in ${name}`;
  return { title, body: unseen > 1 ? `${body}\n+${unseen - 1} more` : body };
}
