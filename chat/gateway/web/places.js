// Where a client is in each of its rooms: the epoch and the offset from which it goes on after a drop.

class Place {
  epoch = null; // not joined yet
  offset = 0;
  isReady = false; // it was joined, and what was sent before is settled
  #seen = 0; // offset of the newest event since the join was asked for

  // What to join with, from here on: undefined for the first time.
  since() {
    this.#seen = 0;
    return this.epoch === null ? undefined : { epoch: this.epoch, offset: this.offset };
  }

  joined(epoch, offset) {
    const known = epoch === this.epoch ? this.offset : 0; // offsets of another epoch count from anew
    Object.assign(this, { epoch, offset: Math.max(offset, this.#seen, known) });
  }

  // Go on to this offset; false where one has been there already.
  reach(offset) {
    if (this.isReady && offset <= this.offset) return false;
    this.#seen = Math.max(this.#seen, offset);
    this.offset = Math.max(this.offset, offset);
    return true;
  }
}

export class Places {
  #places = new Map(); // roomId -> Place

  get roomIds() {
    return [...this.#places.keys()];
  }

  get(roomId) {
    return this.#places.get(roomId);
  }

  // Whether the room is a new one.
  enter(roomId) {
    if (this.#places.has(roomId)) return false;
    this.#places.set(roomId, new Place());
    return true;
  }

  // Whether one was there.
  leave(roomId) {
    return this.#places.delete(roomId);
  }

  // Is this event of the server news? One with an offset is, when one has not been there.
  isNew(data) {
    const place = this.#places.get(data?.room_id ?? data?.roomId);
    return !place || data.offset === undefined || place.reach(data.offset);
  }

  // The connection is lost: nothing is sent before the rooms are joined again.
  rest() {
    for (const place of this.#places.values()) place.isReady = false;
  }
}

// Is this the last event of a room that this user gets?
export function endsFor({ change, userId }, me) {
  return change === "deleted" || (change === "member-removed" && userId === me);
}
