// A client that misses nothing and doubles nothing: the protocol of docs/protocol.md without any page around it.
//
//   const client = new ChatClient({ url: "ws://127.0.0.1:3000/ws", getToken: async () => token });
//   client.addEventListener("new-chat-message", ({ detail }) => console.log(detail.sender_name, detail.content));
//   client.join("lobby");
//   client.connect();
//   client.send("lobby", "hello");
//
// Every event of the server is dispatched under its own name, and besides:
//   status   {state, code, reason, retryInMs}   connecting | online | waiting | ended (does not come back by itself)
//   joined   {roomId, recovered, isFirst, lastSeq, readSeq, unread, online, onlineNames, onlineCount}
//            isFirst or not recovered: read the history
//   refused  {roomId, error}                    the room can't be joined
//   fate     {tempId, roomId, state, id, seq, error}   what became of something this client sent
//   beat     {}                                 the server answered a heartbeat

import { delayMs, mayComeBack } from "./backoff.js";
import { Delivery } from "./delivery.js";
import { Joining } from "./joining.js";
import { MemoryStorage, Outbox } from "./outbox.js";
import { endsFor, Places } from "./places.js";
import { RequestFailed, Requests } from "./requests.js";

const SUBPROTOCOL = "chat.v1";
const ANSWER_TIMEOUT_MS = 10_000; // the server answers or refuses within 5 s, whatever is broken behind it
const STABLE_MS = 5_000; // a connection that lasted so long makes the next wait a short one again
const NO_STATUS = 1006; // the close code of a connection that broke off

const realClock = {
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => Date.now(),
};

export class ChatClient extends EventTarget {
  #socket = null;
  #places = new Places(); // in the rooms that are joined, or to be joined
  #timers = { retry: null, beat: null, open: null };
  #attempt = 0;
  #joining;
  turn = 0; // of connecting; an older one that comes late is ignored
  #token = null; // the one that this connection was let in with
  #onlineSince = null;
  #askedDelayMs = null; // what the server wants us to wait

  // `getToken({attempt})` is asked before each connection: it may return null (a guest, in dev mode), and an error
  // with `isFinal` ends the client. `storage` keeps the outbox under `storageKey`.
  constructor({ url, getToken, storage = null, storageKey = "chat.outbox", ...parts }) {
    super();
    this.url = url;
    this.getToken = getToken ?? (async () => null);
    this.clock = parts.clock ?? realClock;
    this.random = parts.random ?? Math.random;
    this.WebSocket = parts.WebSocket ?? globalThis.WebSocket;
    this.outbox = new Outbox(storage ?? new MemoryStorage(), storageKey, this.clock.now);
    this.requests = new Requests(this.clock, ANSWER_TIMEOUT_MS, () => this.#drop("no answer"));
    this.delivery = new Delivery(this, this.outbox);
    this.#joining = new Joining(this, this.#places, this.delivery);
    this.userId = null;
    this.limits = {};
    this.state = "ended";
  }

  get isOnline() {
    return this.state === "online";
  }

  // May messages be sent to this room: it was joined, and what was sent before is settled.
  isReady(roomId) {
    return this.#places.get(roomId)?.isReady ?? false;
  }

  // Connect, and stay connected until `close`.
  connect() {
    if (this.state === "ended") this.#open();
  }

  // Come back at once instead of after the rest of the wait.
  retryNow() {
    if (this.state === "waiting") this.#open();
  }

  // Leave for good.
  close() {
    this.turn += 1;
    this.#forgetSocket()?.close(1000);
    this.#setState("ended", { code: 1000, reason: "closed" });
    this.requests.abandon();
  }

  join(roomId) {
    if (this.#places.enter(roomId) && this.isOnline) this.#joining.join(roomId);
  }

  leave(roomId) {
    if (this.#places.leave(roomId) && this.isOnline) this.#tell("leave-chat-rooms", { roomIds: [roomId] });
  }

  // Say something, perhaps in reply to the message with that id; returns its outbox entry at once. `fate` events tell
  // the rest. Throws OutboxFull.
  send(roomId, content, replyTo = null) {
    const entry = this.outbox.add(roomId, content, replyTo);
    queueMicrotask(() => this.delivery.sendWaiting()); // the caller has the entry before it hears of its fate
    return entry;
  }

  // Try a failed message again, under the temp id that it has: it can't be doubled.
  retry(tempId) {
    if (this.outbox.get(tempId)?.state !== "failed") return;
    this.outbox.mark(tempId, "waiting");
    this.delivery.sendWaiting();
  }

  discard(tempId) {
    this.outbox.remove(tempId);
  }

  // A page of a room's messages: `{messages, has_more}`.
  history(roomId, { before, after, limit = 50 } = {}) {
    return this.ask("get-messages", { roomId, before, after, limit });
  }

  // Send a request and return what its ack says; fails with RequestFailed.
  ask(event, data = {}) {
    if (!this.isOnline) return Promise.reject(new RequestFailed("offline", "there is no connection"));
    return this.requests.ask((ack) => this.#tell(event, data, ack));
  }

  async #open() {
    const turn = ++this.turn;
    this.clock.clearTimeout(this.#timers.retry);
    this.#setState("connecting");
    let token;
    try {
      token = await this.getToken({ attempt: this.#attempt });
    } catch (error) {
      if (turn !== this.turn) return;
      if (error.isFinal) this.#setState("ended", { code: 4500, reason: error.message });
      else this.#waitToRetry(NO_STATUS, error.message);
      return;
    }
    if (turn !== this.turn) return;
    this.#token = token;
    const socket = new this.WebSocket(this.url, token ? [SUBPROTOCOL, `bearer.${token}`] : [SUBPROTOCOL]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#ended(code, reason);
    this.#timers.open = this.clock.setTimeout(() => this.#drop("no welcome"), ANSWER_TIMEOUT_MS);
  }

  #receive({ event, data }) {
    if (event === "ack") this.requests.answer(data);
    else if (event === "welcome") this.#welcome(data);
    else if (event === "closing") this.#askedDelayMs = data.afterMs;
    else if (event === "server-leaving") this.#askedDelayMs = data.reconnectInMs;
    else if (event === "auth-expiring") this.#authenticateAgain();
    else if (this.#places.isNew(data)) this.delivery.take(event, data, this.userId);
    else return;
    if (event === "room-updated" && endsFor(data, this.userId)) this.#places.leave(data.roomId); // no use to join again
    this.dispatch(event, data);
  }

  #welcome({ userId, limits, heartbeatSeconds }) {
    this.clock.clearTimeout(this.#timers.open);
    this.#onlineSince = this.clock.now();
    this.userId = userId;
    this.limits = limits;
    this.#setState("online");
    this.#beatIn(heartbeatSeconds * 1000);
    for (const roomId of this.#places.roomIds) this.#joining.join(roomId);
  }

  async #beat(everyMs) {
    this.#beatIn(everyMs);
    try {
      await this.ask("heartbeat");
      this.dispatch("beat", {});
      await this.delivery.settleLate();
    } catch {
      // Refused or lost: a lost connection is dropped by the timeout of the request.
    }
  }

  #beatIn(ms) {
    this.#timers.beat = this.clock.setTimeout(() => this.#beat(ms), ms);
  }

  // With another token only: the same one would be answered with the same warning, again and again.
  async #authenticateAgain() {
    try {
      const token = await this.getToken({ attempt: 0 });
      if (token === this.#token) return;
      await this.ask("authenticate", { token });
      this.#token = token;
    } catch {
      // The socket closes with 4002 in a minute, and the next connection asks for a token again.
    }
  }

  #tell(event, data, ack) {
    this.#socket.send(JSON.stringify({ event, data, ack }));
  }

  // Take the connection for dead without waiting for the network to agree.
  #drop(reason) {
    this.#forgetSocket()?.close();
    this.#ended(NO_STATUS, reason);
  }

  #ended(code, reason) {
    this.#forgetSocket();
    if (this.#onlineSince !== null && this.clock.now() - this.#onlineSince >= STABLE_MS) this.#attempt = 0;
    this.#onlineSince = null;
    if (mayComeBack(code)) this.#waitToRetry(code, reason);
    else this.#setState("ended", { code, reason });
    this.requests.abandon(); // when the state says already that there is no connection
  }

  #waitToRetry(code, reason) {
    const retryInMs = delayMs(this.#attempt, this.#askedDelayMs, this.random);
    this.#attempt += 1;
    this.#askedDelayMs = null;
    this.#timers.retry = this.clock.setTimeout(() => this.#open(), retryInMs);
    this.#setState("waiting", { code, reason, retryInMs });
  }

  #forgetSocket() {
    const socket = this.#socket;
    if (socket) socket.onmessage = socket.onclose = null;
    this.#socket = null;
    for (const timer of Object.values(this.#timers)) this.clock.clearTimeout(timer);
    this.#places.rest();
    return socket;
  }

  #setState(state, more = {}) {
    this.state = state;
    this.dispatch("status", { state, ...more });
  }

  dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
