// After this has run, the store shows what the server has: pages of history, and what became of messages seen before.

const PAGE = 50; // messages that are read at once
const READ_AGAIN_MS = 3_000; // when the store could not be read

export class CatchingUp {
  #loading = new Set(); // rooms whose older messages are being read

  // `onFault(text)` tells people what could not be read.
  constructor(client, store, directory, { onChange, onFault }) {
    this.client = client;
    this.store = store;
    this.directory = directory;
    this.onChange = onChange;
    this.onFault = onFault;
  }

  // Read the newest page, and let go of all that was not seen again.
  async reload(roomId) {
    if (!this.store.room(roomId)) return;
    this.store.beginReload(roomId);
    try {
      this.store.endReload(roomId, await this.client.history(roomId, { limit: PAGE }));
    } catch (error) {
      if (error.isLost) return; // the next join reads it
      this.onFault(error.message);
      setTimeout(() => this.reload(roomId), READ_AGAIN_MS);
    }
    this.onChange(roomId);
  }

  // What no event that is replayed tells: who has seen one's newest message, and of a room that is not `isWhole` here
  // its name and roles.
  async lookUp(roomId, isWhole) {
    const newestMine = this.store.room(roomId)?.newestMine;
    try {
      if (!isWhole) this.store.describe(roomId, await this.directory.describe(roomId));
      const readers = newestMine ? await this.directory.readers(roomId, newestMine.seq) : [];
      for (const each of readers) this.store.room(roomId)?.readers.take(each);
    } catch {
      // Events go on telling of it, and the next join looks again.
    }
    this.onChange(roomId);
  }

  // Read the page before the oldest message that is shown.
  async loadOlder(roomId) {
    const room = this.store.room(roomId);
    if (!room?.hasMore || this.#loading.has(roomId) || !this.client.isOnline) return;
    this.#loading.add(roomId);
    try {
      const page = await this.client.history(roomId, { before: room.oldestSeq, limit: PAGE });
      this.store.addPage(roomId, page, { isOldest: true });
    } catch (error) {
      if (!error.isLost) this.onFault(error.message);
    } finally {
      this.#loading.delete(roomId);
      this.onChange(roomId);
    }
  }

  // Ask what became of messages that were shown before a drop: a confirmation is not an event that is replayed.
  async recheck(roomId, writtenBefore = Infinity) {
    const asked = this.store.pendingOf(roomId).filter(({ at }) => at < writtenBefore);
    if (!asked.length) return;
    const after = asked[0].seq - 1;
    try {
      this.store.compare(roomId, after, await this.client.history(roomId, { after, limit: 200 }), asked);
      this.onChange(roomId);
    } catch {
      // The next heartbeat asks again.
    }
  }
}
