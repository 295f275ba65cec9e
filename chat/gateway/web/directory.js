// What is asked over REST: about rooms (to make them, names and roles, who has seen them) and about notifications.

import { claimsOf, slug } from "./identity.js";

const FRESH_MS = 60_000; // a token that lives longer than this is used again
const ANSWER_TIMEOUT_MS = 10_000;
const TEST_TIMEOUT_MS = 30_000; // the server waits 20 s for the providers

export class Directory {
  #token = null;
  #endsMs = 0;

  constructor(identity, request = (...all) => fetch(...all), now = () => Date.now()) {
    this.identity = identity;
    this.request = request;
    this.now = now;
  }

  // Make a room and return its id. Fails with an Error whose message is for people.
  async make({ name, type, members }) {
    return (await this.#ask("rooms", { method: "POST", body: { id: slug(name), name, type, members } })).id;
  }

  // The rooms that one is a member of, the first 200 of them.
  async mine() {
    return (await this.#ask("rooms?limit=200")).rooms;
  }

  // The room as the server describes it.
  describe(roomId) {
    return this.#ask(`rooms/${roomId}`);
  }

  // Those who have seen it up to this number: `[{userId, upToSeq}]`, of a large room some.
  async readers(roomId, seq) {
    const { seen } = await this.#ask(`rooms/${roomId}/seen?seq=${seq}`);
    return seen.map((each) => ({ userId: each.user_id, upToSeq: each.up_to_seq }));
  }

  // The key to subscribe to Web Push with, null where the server sends none.
  async webPushKey() {
    return (await this.#ask("devices/webpush-key")).key;
  }

  registerDevice(device) {
    return this.#ask("devices", { method: "POST", body: device });
  }

  removeDevice(id) {
    return this.#ask(`devices/${id}`, { method: "DELETE" });
  }

  // Send a notification to each of one's devices: `[{id, kind, result, reason}]`.
  async testDevices() {
    return (await this.#ask("devices/test", { method: "POST", timeoutMs: TEST_TIMEOUT_MS })).results;
  }

  // What one is notified of where a room has no choice of its own: `{mode, quiet_hours}`.
  myPush() {
    return this.#ask("me/push");
  }

  // What one is notified of in a room: `{mode, muted_until}`.
  roomPush(roomId) {
    return this.#ask(`rooms/${roomId}/push`);
  }

  chooseRoomPush(roomId, choice) {
    return this.#ask(`rooms/${roomId}/push`, { method: "PUT", body: choice });
  }

  async #ask(path, { method = "GET", body, timeoutMs = ANSWER_TIMEOUT_MS } = {}) {
    const headers = { Authorization: `Bearer ${await this.#freshToken()}`, "Content-Type": "application/json" };
    const options = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(timeoutMs) };
    const answer = await this.request(`api/v1/${path}`, options);
    const told = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw new Error(told.detail);
    return told;
  }

  // Several rooms that are opened at once share the one that is on its way.
  #freshToken() {
    if (this.#token && this.#endsMs - this.now() > FRESH_MS) return this.#token;
    this.#endsMs = Infinity; // until it is here
    this.#token = this.identity.token();
    this.#token.then(
      (token) => (this.#endsMs = claimsOf(token)?.exp * 1000),
      () => (this.#token = null),
    );
    return this.#token;
  }
}
