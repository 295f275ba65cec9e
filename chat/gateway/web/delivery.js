// After this has run, everything in the outbox was sent once in effect, in its order, and its fate is known.
//
// `link` is the connection: `ask`, `isOnline`, `isReady(roomId)`, `limits`, `clock`, and `dispatch` for `fate` events.

import { delayMs } from "./backoff.js";

const STALE_MS = 10_000; // a confirmation that is so late is asked for
const ENVELOPE_BYTES = 100; // of a frame around its data
const TEMPORARY = new Set(["unavailable", "overloaded", "store-unavailable", "rate-limited"]);

export function isTemporary(error) {
  return TEMPORARY.has(error.code);
}

export class Delivery {
  #isSending = false;

  constructor(link, outbox) {
    this.link = link;
    this.outbox = outbox;
  }

  // Take what an event of the server says about messages of this user.
  take(event, data, userId) {
    if (event === "message-confirmed") this.outbox.remove(data.tempId);
    else if (event === "message-failed") this.outbox.mark(data.tempId, "failed", data.error);
    else if (event === "new-chat-message" && data.sender_id === userId) {
      if (data._temp) this.outbox.mark(data.temp_id, "accepted");
      else this.outbox.remove(data.temp_id);
    }
  }

  // Ask what became of everything that was sent to a room and not heard of again.
  async settleRoom(roomId, isDue = () => true) {
    const sent = this.outbox.of(roomId).filter((entry) => entry.state !== "waiting" && isDue(entry));
    if (!sent.length) return;
    const asked = sent.map(({ tempId }) => tempId);
    const { fates } = await this.link.ask("get-send-fate", { roomId, temp_ids: asked });
    for (const tempId of asked) this.#settle(tempId, roomId, fates[tempId]);
  }

  // Ask the same about what should have been confirmed long ago.
  async settleLate() {
    const isDue = ({ state, writtenAt }) => state !== "failed" && this.link.clock.now() - writtenAt > STALE_MS;
    const rooms = new Set(this.outbox.entries.filter(isDue).map(({ roomId }) => roomId));
    for (const roomId of rooms) if (this.link.isReady(roomId)) await this.settleRoom(roomId, isDue);
    this.sendWaiting();
  }

  // One at a time, so that a refused one can't be overtaken by those behind it.
  async sendWaiting() {
    if (this.#isSending) return;
    this.#isSending = true;
    const next = () => this.link.isOnline && this.outbox.next((roomId) => this.link.isReady(roomId));
    try {
      for (let entry; (entry = next()); ) await this.#send(entry);
    } finally {
      this.#isSending = false;
    }
  }

  async #send({ tempId, roomId, content, replyTo }) {
    const data = { roomId, content, temp_id: tempId, reply_to: replyTo ?? undefined };
    const fault = this.#faultOf(data);
    if (fault) return void this.#settle(tempId, roomId, { state: "failed", error: fault });
    this.outbox.mark(tempId, "sent");
    try {
      this.#settle(tempId, roomId, await this.link.ask("send-chat-message", data));
    } catch (error) {
      await this.#refused(tempId, roomId, error);
    }
  }

  async #refused(tempId, roomId, error) {
    if (error.isLost) return; // stays `sent`: its fate is asked after the reconnect
    if (error.code === "rate-limited") {
      this.outbox.mark(tempId, "waiting");
      const pauseMs = error.retryAfterMs ?? delayMs(1);
      await new Promise((resolve) => this.link.clock.setTimeout(resolve, pauseMs));
      return;
    }
    const told = { code: error.code, message: error.message, retryable: isTemporary(error) };
    this.#settle(tempId, roomId, { state: "failed", error: told });
  }

  #settle(tempId, roomId, { state, id = null, seq = null, error = null }) {
    const entry = this.outbox.get(tempId);
    if (!entry) return; // an event was faster
    if (state === "confirmed") this.outbox.remove(tempId);
    else if (state === "pending") this.outbox.mark(tempId, "accepted");
    else if (state === "failed") this.outbox.mark(tempId, "failed", error);
    else if (entry.state !== "failed") this.outbox.mark(tempId, "waiting"); // never arrived: safe to send again
    if (state !== "unknown") this.link.dispatch("fate", { tempId, roomId, state, id, seq, error });
  }

  // A frame that is too large would cost the connection, each time it is sent.
  #faultOf(data) {
    const { contentBytes = Infinity, frameBytes = Infinity } = this.link.limits;
    const isFine = bytes(data.content) <= contentBytes && bytes(JSON.stringify(data)) + ENVELOPE_BYTES <= frameBytes;
    const message = `the message is too long; at most ${contentBytes} bytes are taken`;
    return isFine ? null : { code: "invalid", message, retryable: false };
  }
}

function bytes(text) {
  return new TextEncoder().encode(text).length;
}
