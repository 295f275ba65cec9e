// The messages of one room as a list that keeps its place: at the newest, or where somebody is reading back.

import { paintMessage } from "./bubble.js";
import { byId, make } from "./dom.js";
import { MessageKeys } from "./message-keys.js";
import { isSame, rowsOf } from "./rows.js";

const AT_END_PX = 80; // so near to the end counts as being there
const NEAR_TOP_PX = 200; // so near to the beginning the page before is read
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export class MessageList {
  #elements = new Map(); // key -> {element, shown}: `shown` is the row it was made from
  #room = null;

  // `onAct(name, message, button)` is called with what a button is for: retry, discard, put-back, more, react.
  constructor({ onOlder, onAct }) {
    this.scroller = byId("scroller");
    this.list = byId("messages");
    this.keys = new MessageKeys(this.list);
    this.list.addEventListener("click", ({ target }) => this.#clicked(target.closest("[data-act]"), onAct));
    this.scroller.addEventListener("scroll", () => this.#scrolled(onOlder), { passive: true });
    byId("older").addEventListener("click", onOlder);
    byId("newest").addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.isAtEnd && this.toEnd()).observe(this.scroller);
    this.isAtEnd = true;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.isAtEnd = true;
    byId("newest").hidden = true;
  }

  render(room) {
    if (room !== this.#room) this.#clear(room);
    const place = this.isAtEnd ? null : this.#place();
    const last = this.list.lastChild;
    this.#arrange(rowsOf(room));
    this.keys.settle();
    byId("older").hidden = !room.hasMore;
    byId("beginning").hidden = room.hasMore || !room.isLoaded;
    if (place) this.scroller.scrollTop += place.element.offsetTop - place.top;
    else this.toEnd();
    byId("newest").hidden = this.isAtEnd || (last === this.list.lastChild && byId("newest").hidden);
  }

  #clear(room) {
    this.#room = room;
    this.#elements.clear();
    this.list.replaceChildren();
    this.isAtEnd = true;
  }

  #clicked(button, onAct) {
    if (!button) return;
    const message = this.#room.messages.get(button.closest(".message").dataset.key);
    const [name] = button.dataset.act.split(" ");
    if (name === "quote") this.#jumpTo(this.#room.byId(message.replyTo));
    else onAct(name, message, button);
  }

  #jumpTo({ key }) {
    const { element } = this.#elements.get(key);
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
    this.#measure();
  }

  // The first element in sight and where it is now, to find the place again after others came above it.
  #place() {
    const top = this.scroller.scrollTop;
    const element = [...this.list.children].find((each) => each.offsetTop + each.offsetHeight > top);
    return element ? { element, top: element.offsetTop } : null;
  }

  #measure() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.isAtEnd = scrollHeight - clientHeight - scrollTop < AT_END_PX;
    if (this.isAtEnd) byId("newest").hidden = true;
  }

  #scrolled(onOlder) {
    this.#measure();
    if (this.scroller.scrollTop < NEAR_TOP_PX && !this.isAtEnd) onOlder();
  }

  // Make the list these rows, touching only what has changed: focus, selection and place stay.
  #arrange(rows) {
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, { element }] of this.#elements) {
      if (keys.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
    let next = this.list.firstChild;
    for (const row of rows) {
      const element = this.#elementOf(row);
      if (element === next) next = next.nextSibling;
      else this.list.insertBefore(element, next);
    }
  }

  #elementOf(row) {
    let known = this.#elements.get(row.key);
    if (!known) {
      known = { element: make("li"), shown: null };
      this.#elements.set(row.key, known);
    }
    if (!known.shown || !isSame(row, known.shown)) {
      known.shown = row;
      if (row.message) paintMessage(known.element, row, this.#room);
      else Object.assign(known.element, { className: "day", textContent: calendar.format(row.at) });
    }
    return known.element;
  }
}
