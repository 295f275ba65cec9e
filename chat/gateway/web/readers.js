// How far the others have read a room. Pure state: what the server told of each one's place; a place never goes back.

export class Readers {
  #places = new Map(); // user id -> up to which number

  constructor(userId) {
    this.userId = userId;
  }

  take({ userId, upToSeq }) {
    if (userId !== this.userId) this.#places.set(userId, Math.max(upToSeq, this.#places.get(userId) ?? 0));
  }

  // Who has read up to this number or beyond.
  of(seq) {
    return [...this.#places].filter(([, upToSeq]) => upToSeq >= seq).map(([userId]) => userId);
  }
}
