// What can be done with a message, in a small sheet beside it: react, reply, edit, delete.

import { byId, make } from "./dom.js";

const EMOJI = { "👍": "thumbs up", "❤️": "heart", "😂": "laughing", "😮": "surprised", "😢": "sad", "🎉": "party" };
const GAP_PX = 4;

export class MessageMenu {
  #message = null;
  #anchor = null;

  constructor({ onReact, onReply, onEdit, onDelete }) {
    this.menu = byId("message-menu");
    byId("emoji").append(
      ...Object.entries(EMOJI).map(([emoji, name], index) => {
        const button = { className: "chip", type: "button", text: emoji, ariaLabel: name, dataset: { emoji } };
        return make("button", { ...button, autofocus: index === 0, onclick: () => this.#pick((it) => onReact(it, emoji)) });
      }),
    );
    byId("reply").addEventListener("click", () => this.#pick(onReply));
    byId("edit").addEventListener("click", () => this.#pick(onEdit));
    byId("delete").addEventListener("click", () => this.#pick(onDelete));
    this.menu.addEventListener("toggle", ({ newState }) => {
      if (newState === "open") this.#place();
      else delete this.menu.dataset.placed;
    });
    this.menu.addEventListener("keydown", (event) => this.#pressed(event));
    byId("scroller").addEventListener("scroll", () => this.close(), { passive: true });
  }

  // Get ready for a message, just before its button opens this.
  prepare(message, anchor, { userId, canDelete }) {
    this.#message = message;
    this.#anchor = anchor;
    for (const each of byId("emoji").children) {
      each.ariaPressed = `${message.reactions[each.dataset.emoji]?.includes(userId) ?? false}`;
    }
    byId("edit").hidden = !message.isMine;
    byId("delete").hidden = !canDelete;
  }

  close() {
    if (this.menu.matches(":popover-open")) this.menu.hidePopover();
  }

  #pick(act) {
    this.close(); // first: it gives the focus back, and the act may move it on
    act(this.#message);
  }

  // Below its button, or above where there is no room; never out of the window.
  #place() {
    const anchor = this.#anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.menu;
    const isAbove = anchor.bottom + GAP_PX + height > innerHeight;
    const left = Math.max(GAP_PX, Math.min(anchor.left, innerWidth - width - GAP_PX));
    const top = Math.max(GAP_PX, isAbove ? anchor.top - GAP_PX - height : anchor.bottom + GAP_PX);
    Object.assign(this.menu.style, { left: `${left}px`, top: `${top}px` });
    this.menu.dataset.placed = ""; // it is not seen before
  }

  #pressed(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...this.menu.querySelectorAll("button:not([hidden])")];
    buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length).focus();
  }
}
