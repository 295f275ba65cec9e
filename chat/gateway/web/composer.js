// Where one writes: a new message, a reply, or an edit. What was not sent yet waits for its room.

import { byId } from "./dom.js";

export class Composer {
  #drafts = new Map();
  #roomId = null;
  #target = null; // the message that is replied to or edited: {message, isEdit, draft}
  #isBusy = false; // an edit is on its way

  // `onSend(text, replyTo)` and `onEdit(message, text)` return whether it was taken, the latter as a promise;
  // `onEditLast()` may begin an edit.
  constructor({ onSend, onEdit, onWrite, onEditLast }) {
    this.field = byId("draft");
    this.actions = { onSend, onEdit, onEditLast };
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("input", () => this.#target?.isEdit || onWrite(this.field.value));
    byId("composer").addEventListener("keydown", (event) => this.#pressed(event));
    byId("composing-end").addEventListener("click", () => this.end());
  }

  showRoom(roomId) {
    this.end();
    if (this.#roomId) this.#drafts.set(this.#roomId, this.field.value);
    this.#roomId = roomId;
    this.field.value = this.#drafts.get(roomId) ?? "";
  }

  // Put a message that was not sent back, to be changed.
  putBack(text) {
    this.field.value = this.field.value ? `${text}\n${this.field.value}` : text;
    this.field.focus();
  }

  edit(message) {
    this.#aim({ message, isEdit: true, draft: this.field.value }, "Editing your message");
    this.field.value = message.content;
  }

  reply(message) {
    this.#aim({ message, isEdit: false }, `Replying to ${message.isMine ? "yourself" : message.senderName}: ${message.content}`);
  }

  // Go back to writing a new message; of an edit the draft from before is there again.
  end() {
    if (this.#target?.isEdit) this.field.value = this.#target.draft;
    this.#target = null;
    byId("composing").hidden = true;
    byId("send").textContent = "Send";
  }

  // The message that is replied to or edited is no more.
  forget(isGone) {
    if (this.#target && isGone(this.#target.message)) this.end();
  }

  #aim(target, text) {
    this.end();
    this.#target = target;
    byId("composing-text").textContent = text;
    byId("composing").hidden = false;
    byId("send").textContent = target.isEdit ? "Save" : "Send";
    this.field.focus();
  }

  #pressed(event) {
    const isInField = event.target === this.field && !event.isComposing;
    if (event.key === "Escape" && this.#target) {
      this.end();
      this.field.focus();
    } else if (isInField && event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (isInField && event.key === "ArrowUp" && !this.field.value && !this.#target) {
      event.preventDefault();
      this.actions.onEditLast();
    }
  }

  async #submit() {
    const text = this.field.value.trim();
    this.field.focus();
    if (!text || this.#isBusy) return;
    if (this.#target?.isEdit) await this.#save(this.#target, text);
    else if (this.actions.onSend(text, this.#target?.message.id ?? null)) {
      this.field.value = "";
      this.end();
    }
  }

  async #save(target, text) {
    this.#isBusy = true;
    const isDone = text === target.message.content || (await this.actions.onEdit(target.message, text));
    this.#isBusy = false;
    if (isDone && this.#target === target) this.end();
  }
}
