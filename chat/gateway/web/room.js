// One room as this page knows it: its messages in order, who is there, how far the others have read. Pure state.

import { Ahead } from "./message.js";
import { People } from "./people.js";
import { Readers } from "./readers.js";

const UNSENT = Number.MAX_SAFE_INTEGER; // sorts behind everything that has a number
const MODERATORS = new Set(["owner", "admin"]);

export class Room {
  #ordered = null;
  #byId = null;

  constructor(id, userId) {
    this.id = id;
    this.name = id; // until its real one is heard of
    this.role = null; // one's own, as far as it is known
    this.messages = new Map(); // key -> message
    this.ahead = new Ahead(); // changes of messages that are not here yet
    this.people = new People(userId); // who is online here
    this.readers = new Readers(userId);
    this.hasMore = false; // older messages than these
    this.isLoaded = false; // the newest page was read, and nothing was missed since
    this.unseen = 0;
    this.generation = 0;
  }

  // All messages in the order in which everybody sees them; unsent ones behind, as they were written.
  get ordered() {
    this.#ordered ??= [...this.messages.values()].sort((a, b) => (a.seq ?? UNSENT) - (b.seq ?? UNSENT));
    return this.#ordered;
  }

  get oldestSeq() {
    return this.ordered[0]?.seq ?? null;
  }

  get isModerated() {
    return MODERATORS.has(this.role);
  }

  // The newest message of one's own that the room has, and that is more than a tombstone.
  get newestMine() {
    return this.ordered.findLast(({ isMine, seq, deletedAt }) => isMine && seq !== null && !deletedAt) ?? null;
  }

  // The newest message that somebody else wrote.
  get newestOfOthers() {
    return this.ordered.findLast(({ isMine, seq }) => !isMine && seq !== null) ?? null;
  }

  // The message with this id of the server's.
  byId(id) {
    this.#byId ??= new Map(this.ordered.map((message) => [message.id, message]));
    return id === null ? undefined : this.#byId.get(id);
  }

  // What to call somebody: as online here, or as under the newest message here.
  nameOf(userId) {
    const written = () => this.ordered.findLast((message) => message.senderId === userId && message.senderName);
    return this.people.nameOf(userId) ?? written()?.senderName ?? userId;
  }

  put(message) {
    this.messages.set(message.key, message);
    this.#forgetOrder();
  }

  drop(isSurplus) {
    for (const message of [...this.messages.values()]) {
      if (isSurplus(message)) this.messages.delete(message.key);
    }
    this.#forgetOrder();
  }

  #forgetOrder() {
    this.#ordered = null;
    this.#byId = null;
  }
}
