// Which rooms this browser had open for a person, and which were left: those do not come back by themselves.

const LEFT_AT_MOST = 1000;

export class RoomMemory {
  constructor(storage, userId) {
    this.storage = storage;
    this.keys = { open: `chat.rooms.${userId}`, left: `chat.left.${userId}` };
  }

  get open() {
    return this.#read(this.keys.open);
  }

  save(roomIds) {
    this.storage.setItem(this.keys.open, JSON.stringify(roomIds));
  }

  wasLeft(roomId) {
    return this.#read(this.keys.left).includes(roomId);
  }

  leave(roomId) {
    this.#keepLeft([...this.#othersLeft(roomId), roomId]);
  }

  enter(roomId) {
    if (this.wasLeft(roomId)) this.#keepLeft(this.#othersLeft(roomId));
  }

  #othersLeft(roomId) {
    return this.#read(this.keys.left).filter((each) => each !== roomId);
  }

  #keepLeft(roomIds) {
    this.storage.setItem(this.keys.left, JSON.stringify(roomIds.slice(-LEFT_AT_MOST)));
  }

  #read(key) {
    try {
      return JSON.parse(this.storage.getItem(key) ?? "[]");
    } catch {
      return [];
    }
  }
}
