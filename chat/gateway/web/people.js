// Who is online in one room. Pure state: what the answer to a join listed, and every status since.

export class People {
  #names = new Map(); // user id -> name
  #unlisted = 0; // of a large room the server lists only some

  constructor(userId) {
    this.userId = userId;
    this.isKnown = false; // the room was joined
  }

  // Oneself first, the others by name.
  get listed() {
    const people = [...this.#names].map(([userId, name]) => ({ userId, name, isMe: userId === this.userId }));
    return people.sort((a, b) => b.isMe - a.isMe || a.name.localeCompare(b.name) || (a.userId < b.userId ? -1 : 1));
  }

  // Undefined for who is not here.
  nameOf(userId) {
    return this.#names.get(userId);
  }

  get count() {
    return this.#names.size + this.#unlisted;
  }

  // Take the answer to a join; it is the whole truth.
  enter({ online = [], onlineNames = {}, onlineCount = online.length }) {
    this.#names = new Map(online.map((userId) => [userId, onlineNames[userId] ?? userId]));
    this.#unlisted = Math.max(0, onlineCount - online.length);
    this.isKnown = true;
  }

  // Take a `user-status` about this room.
  take({ userId, userName, inRoom }) {
    if (inRoom) this.#names.set(userId, userName ?? userId);
    else this.#names.delete(userId);
  }
}
