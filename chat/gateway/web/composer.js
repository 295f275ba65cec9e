// Where one writes; what was not sent yet waits for its room.

import { byId } from "./dom.js";

export class Composer {
  #drafts = new Map();
  #roomId = null;

  constructor(onSend, onWrite) {
    this.field = byId("draft");
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(onSend);
    });
    this.field.addEventListener("input", () => onWrite(this.field.value));
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit(onSend);
    });
  }

  showRoom(roomId) {
    if (this.#roomId) this.#drafts.set(this.#roomId, this.field.value);
    this.#roomId = roomId;
    this.field.value = this.#drafts.get(roomId) ?? "";
  }

  // Put a message back to be changed.
  edit(text) {
    this.field.value = this.field.value ? `${text}\n${this.field.value}` : text;
    this.field.focus();
  }

  #submit(onSend) {
    const text = this.field.value.trim();
    if (text && onSend(text)) this.field.value = "";
    this.field.focus();
  }
}
