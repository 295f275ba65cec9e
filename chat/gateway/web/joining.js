// After `join` has run, the room is joined and what was sent there before is settled, or it was told why not.
//
// `link` is the connection: `ask`, `isOnline`, `turn` (of connecting), `clock`, `random`, and `dispatch`.

import { delayMs } from "./backoff.js";
import { isTemporary } from "./delivery.js";

export class Joining {
  constructor(link, places, delivery) {
    this.link = link;
    this.places = places;
    this.delivery = delivery;
  }

  // One frame a room, so that one that refuses us does not keep us out of the others.
  async join(roomId) {
    const place = this.places.get(roomId);
    const isFirst = place.epoch === null;
    const since = place.since();
    try {
      const asked = { roomIds: [roomId], since: since && { [roomId]: since } };
      const { epoch, offset, ...told } = (await this.link.ask("join-chat-rooms", asked)).rooms[roomId];
      place.joined(epoch, offset);
      this.link.dispatch("joined", { roomId, isFirst, ...joinedDetail(told) });
      await this.delivery.settleRoom(roomId);
      place.isReady = true;
      this.delivery.sendWaiting();
    } catch (error) {
      if (error.isLost || !this.places.get(roomId)) return; // the next welcome joins again
      if (isTemporary(error)) return void this.#joinLater(roomId, error);
      this.places.leave(roomId);
      this.link.dispatch("refused", { roomId, error });
    }
  }

  #joinLater(roomId, error) {
    const { turn } = this.link;
    const again = () => turn === this.link.turn && this.link.isOnline && this.places.get(roomId) && this.join(roomId);
    this.link.clock.setTimeout(again, error.retryAfterMs ?? delayMs(1, null, this.link.random));
  }
}

function joinedDetail({ recovered, unread, online, ...told }) {
  const people = { online, onlineNames: told.online_names, onlineCount: told.online_count };
  return { recovered, unread, lastSeq: told.last_seq, readSeq: told.read_seq, ...people };
}
