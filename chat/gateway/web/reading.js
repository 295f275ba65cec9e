// After this has run, the server knows up to where somebody has read what is open and in sight.

const PAUSE_MS = 300; // what comes meanwhile is marked with it

export class Reading {
  #marked = new Map(); // roomId -> up to where it was marked
  #timer = null;
  #looked = null; // the room that was looked at last, and its newest message then: later ones may be out of sight

  // `newestSeq(roomId)` is the number of the newest message of others that is shown, and null where there is none.
  constructor(client, newestSeq, clock = globalThis) {
    this.client = client;
    this.newestSeq = newestSeq;
    this.clock = clock;
  }

  // How far the server says that it was read, here or on another device.
  known(roomId, seq) {
    this.#marked.set(roomId, Math.max(seq ?? 0, this.upTo(roomId)));
  }

  upTo(roomId) {
    return this.#marked.get(roomId) ?? 0;
  }

  // Somebody looks at this room: mark it soon, if that is news.
  look(roomId) {
    this.#looked = { roomId, seq: this.newestSeq(roomId) };
    this.#timer ??= this.clock.setTimeout(() => {
      this.#timer = null;
      this.#mark(this.#looked);
    }, PAUSE_MS);
  }

  stop() {
    this.clock.clearTimeout(this.#timer);
  }

  async #mark({ roomId, seq }) {
    const before = this.upTo(roomId);
    if (seq === null || seq <= before || !this.client.isReady(roomId)) return;
    this.#marked.set(roomId, seq);
    try {
      await this.client.ask("mark-messages-seen", { roomId, seq });
    } catch {
      if (this.#marked.get(roomId) === seq) this.#marked.set(roomId, before); // the next look tries again
    }
  }
}
