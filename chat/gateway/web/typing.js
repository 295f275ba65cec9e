// Who is typing: what one's own keys tell the server, and what the server tells of the others.

const SAY_EVERY_MS = 1_500; // the server lets 3 s of silence pass
const LOST_MS = 5_000; // an end that never came
const NAMES_SHOWN = 3;

export class Typing {
  #saidAt = new Map(); // roomId -> when it was last said that one types there
  #others = new Map(); // roomId -> Map(userId -> {name, timer})

  // `onChange(roomId)` is called when others begin or end.
  constructor(client, onChange, clock = globalThis, now = () => Date.now()) {
    this.client = client;
    this.onChange = onChange;
    this.clock = clock;
    this.now = now;
  }

  // The draft of a room was changed.
  wrote(roomId, text) {
    const saidAt = this.#saidAt.get(roomId);
    const isTyping = text.trim() !== "";
    if (!isTyping && saidAt === undefined) return;
    if (isTyping && saidAt !== undefined && this.now() - saidAt < SAY_EVERY_MS) return;
    if (isTyping) this.#saidAt.set(roomId, this.now());
    else this.#saidAt.delete(roomId);
    if (this.client.isReady(roomId)) this.client.ask("chat-typing", { roomId, isTyping }).catch(() => {});
  }

  // The message was sent: the server ends it by itself.
  sent(roomId) {
    this.#saidAt.delete(roomId);
  }

  heard({ roomId, userId, userName, isTyping }) {
    const others = this.#others.get(roomId) ?? new Map();
    this.#others.set(roomId, others);
    this.clock.clearTimeout(others.get(userId)?.timer);
    others.delete(userId);
    if (isTyping) {
      const timer = this.clock.setTimeout(() => this.heard({ roomId, userId, isTyping: false }), LOST_MS);
      others.set(userId, { name: userName, timer });
    }
    this.onChange(roomId);
  }

  // What to show of a room: "Ann is typing…", or nothing.
  line(roomId) {
    const names = [...(this.#others.get(roomId)?.values() ?? [])].map(({ name }) => name);
    if (!names.length) return "";
    if (names.length > NAMES_SHOWN) return "Several people are typing…";
    const last = names.pop();
    return names.length ? `${names.join(", ")} and ${last} are typing…` : `${last} is typing…`;
  }
}
