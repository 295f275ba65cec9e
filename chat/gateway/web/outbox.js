// What this client wants said and has not heard confirmed. It survives a reload: the storage has all of it.
//
// An entry is `waiting` (for its turn), `sent` (on the wire, no answer yet), `accepted` (the room sees it) or `failed`.

export const OUTBOX_LIMIT = 500; // as many as one get-send-fate takes

export class OutboxFull extends Error {
  constructor() {
    super(`${OUTBOX_LIMIT} messages are waiting already; wait until some are sent`);
    this.name = "OutboxFull";
    this.code = "outbox-full";
  }
}

export class Outbox {
  #entries = new Map(); // tempId -> entry, in the order they were written

  constructor(storage, key, now = Date.now) {
    this.storage = storage;
    this.key = key;
    this.now = now;
    for (const entry of read(storage, key)) this.#entries.set(entry.tempId, entry);
  }

  get entries() {
    return [...this.#entries.values()];
  }

  get(tempId) {
    return this.#entries.get(tempId);
  }

  of(roomId) {
    return this.entries.filter((entry) => entry.roomId === roomId);
  }

  add(roomId, content, replyTo = null) {
    if (this.#entries.size >= OUTBOX_LIMIT) throw new OutboxFull();
    const written = { tempId: newTempId(), roomId, content, replyTo, writtenAt: this.now() };
    const entry = { ...written, state: "waiting", error: null };
    this.#entries.set(entry.tempId, entry);
    this.#save();
    return entry;
  }

  // The first one whose turn it is, in a room that is ready for it.
  next(isReady) {
    return this.entries.find((entry) => entry.state === "waiting" && isReady(entry.roomId));
  }

  mark(tempId, state, error = null) {
    const entry = this.#entries.get(tempId);
    if (!entry) return;
    Object.assign(entry, { state, error });
    this.#save();
  }

  remove(tempId) {
    if (this.#entries.delete(tempId)) this.#save();
  }

  #save() {
    try {
      if (this.#entries.size) this.storage.setItem(this.key, JSON.stringify(this.entries));
      else this.storage.removeItem(this.key);
    } catch {
      // The storage is full or forbidden: the entries live as long as the page.
    }
  }
}

// `crypto.randomUUID` exists on https and localhost only; these bits are as good.
export function newTempId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function read(storage, key) {
  try {
    const entries = JSON.parse(storage.getItem(key) ?? "[]");
    return Array.isArray(entries) ? entries.filter((entry) => entry?.tempId && entry.roomId) : [];
  } catch {
    return [];
  }
}

// A storage for those who have none.
export class MemoryStorage {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => void this.#items.set(key, value);
  removeItem = (key) => void this.#items.delete(key);
}
