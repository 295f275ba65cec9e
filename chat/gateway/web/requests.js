// Requests that wait for their `ack`: each one is answered, refused, or given up, and none is forgotten.

export class RequestFailed extends Error {
  // `code` is the server's, or one of ours: `offline`, `connection-lost`, `timeout`.
  constructor(code, message, { field = null, retryAfterMs = null } = {}) {
    super(message);
    this.name = "RequestFailed";
    this.code = code;
    this.field = field;
    this.retryAfterMs = retryAfterMs;
  }

  // The answer is not known: what was asked may have been done.
  get isLost() {
    return this.code === "connection-lost" || this.code === "timeout" || this.code === "offline";
  }
}

export class Requests {
  #waiting = new Map();
  #last = 0;

  constructor(clock, timeoutMs, onTimeout) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
    this.onTimeout = onTimeout;
  }

  // Send through `send(ack)`; the promise becomes the result of the answer, or fails with RequestFailed.
  ask(send) {
    const ack = ++this.#last;
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimeout(() => {
        this.#waiting.delete(ack);
        reject(new RequestFailed("timeout", "the server did not answer in time"));
        this.onTimeout();
      }, this.timeoutMs);
      this.#waiting.set(ack, { resolve, reject, timer });
      send(ack);
    });
  }

  answer({ ack, ok, result, error }) {
    const waiting = this.#waiting.get(ack);
    if (!waiting) return;
    this.#waiting.delete(ack);
    this.clock.clearTimeout(waiting.timer);
    if (ok) waiting.resolve(result);
    else {
      const retryAfterMs = error.retryAfter === undefined ? null : error.retryAfter * 1000;
      waiting.reject(new RequestFailed(error.code, error.message, { field: error.field, retryAfterMs }));
    }
  }

  // The connection is gone, and with it the answers.
  abandon() {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, timer } of waiting) {
      this.clock.clearTimeout(timer);
      reject(new RequestFailed("connection-lost", "the connection was lost"));
    }
  }
}
