// A clock that is turned by hand, and a server at the other end of a WebSocket that says what the test wants.

import { webcrypto } from "node:crypto";

// What browsers have and Node 18 has not.
globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(name, { detail } = {}) {
    super(name);
    this.detail = detail;
  }
};

export class FakeClock {
  #timers = new Map();
  #last = 0;
  time = 1_000_000;

  now = () => this.time;

  setTimeout = (call, ms) => {
    this.#timers.set(++this.#last, { at: this.time + ms, call });
    return this.#last;
  };

  clearTimeout = (timer) => void this.#timers.delete(timer);

  // Let time go by; what is due is called in its order.
  async pass(ms) {
    const until = this.time + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].call();
      await settled();
    }
    this.time = until;
    await settled();
  }
}

// Every promise that can go on has gone on.
export async function settled() {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

export class MemoryStorage {
  items = new Map();
  getItem = (key) => this.items.get(key) ?? null;
  setItem = (key, value) => void this.items.set(key, String(value));
  removeItem = (key) => void this.items.delete(key);
}

// Returns a class to be used as WebSocket; `sockets` are the connections it made, the newest last.
export function fakeWebSocket() {
  return class FakeWebSocket {
    static sockets = [];
    static get newest() {
      return this.sockets.at(-1);
    }

    sent = []; // frames as objects

    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      this.constructor.sockets.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close(code) {
      this.closedWith = code ?? 1005;
    }

    // From here on it is the server's side.
    async tell(event, data) {
      this.onmessage?.({ data: JSON.stringify({ event, data }) });
      await settled();
    }

    async welcome(more = {}) {
      const limits = { contentBytes: 100, frameBytes: 1000 };
      await this.tell("welcome", { userId: "anna", heartbeatSeconds: 30, limits, ...more });
    }

    async drop(code = 1006, reason = "") {
      this.onclose?.({ code, reason });
      await settled();
    }

    // The newest frame of this event that was sent.
    asked(event) {
      return this.sent.filter((frame) => frame.event === event).at(-1);
    }

    count(event) {
      return this.sent.filter((frame) => frame.event === event).length;
    }

    async answer(event, result) {
      await this.tell("ack", { ack: this.asked(event).ack, ok: true, result });
    }

    async refuse(event, error) {
      await this.tell("ack", { ack: this.asked(event).ack, ok: false, error: { message: error.code, ...error } });
    }

    async letJoin(roomId, { epoch = "e1", offset = 0, recovered = false, ...who } = {}) {
      const told = { epoch, offset, last_seq: offset, recovered, ...who };
      await this.answer("join-chat-rooms", { rooms: { [roomId]: told } });
    }
  };
}
