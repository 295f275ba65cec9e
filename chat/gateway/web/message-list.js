// The messages of one room as a list that keeps its place: at the newest, or where somebody is reading back.

import { byId, make, paintAvatar } from "./dom.js";

const AT_END_PX = 80; // so near to the end counts as being there
const NEAR_TOP_PX = 200; // so near to the beginning the page before is read
const GROUP_MS = 5 * 60_000; // messages of one writer that stand so close together share one head
const STATES = { sending: "Sending…", pending: "Sent", confirmed: "Confirmed", failed: "Not sent", retracted: "" };
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export class MessageList {
  #elements = new Map(); // key -> {element, shown}: `shown` is what it was made from
  #roomId = null;

  constructor({ onOlder, onRetry, onDiscard, onEdit }) {
    this.scroller = byId("scroller");
    this.list = byId("messages");
    this.actions = { onRetry, onDiscard, onEdit };
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
    if (room.id !== this.#roomId) this.#clear(room.id);
    const place = this.isAtEnd ? null : this.#place();
    const last = this.list.lastChild;
    this.#arrange(rowsOf(room.ordered));
    byId("older").hidden = !room.hasMore;
    byId("beginning").hidden = room.hasMore || !room.isLoaded;
    if (place) this.scroller.scrollTop += place.element.offsetTop - place.top;
    else this.toEnd();
    byId("newest").hidden = this.isAtEnd || (last === this.list.lastChild && byId("newest").hidden);
  }

  #clear(roomId) {
    this.#roomId = roomId;
    this.#elements.clear();
    this.list.replaceChildren();
    this.isAtEnd = true;
  }

  // The first element in sight and where it is now, to find the place again after others came above it.
  #place() {
    const top = this.scroller.scrollTop;
    const element = [...this.list.children].find((each) => each.offsetTop + each.offsetHeight > top);
    return element ? { element, top: element.offsetTop } : null;
  }

  #scrolled(onOlder) {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.isAtEnd = scrollHeight - clientHeight - scrollTop < AT_END_PX;
    if (this.isAtEnd) byId("newest").hidden = true;
    if (scrollTop < NEAR_TOP_PX && !this.isAtEnd) onOlder();
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
    if (known.shown?.message !== row.message || known.shown.isFirst !== row.isFirst) {
      known.shown = row;
      if (row.message) this.#paint(known.element, row);
      else Object.assign(known.element, { className: "day", textContent: calendar.format(row.at) });
    }
    return known.element;
  }

  #paint(element, { message, isFirst }) {
    const { state, isMine, senderId, senderName, content, at } = message;
    element.className = `message${isMine ? " mine" : ""}${isFirst ? " first" : ""}`;
    Object.assign(element.dataset, { state, key: message.key });
    const time = make("time", { text: clock.format(at), dateTime: new Date(at).toISOString() });
    const author = make("strong", { className: isMine ? "unseen" : "author", text: isMine ? "You" : senderName });
    const text = state === "retracted" ? "This message could not be stored and was taken back." : content;
    const foot = make("p", { className: "foot" }, time);
    if (isMine) foot.append(make("span", { className: "state", text: STATES[state] }));
    else if (state === "pending") foot.append(make("span", { className: "state", text: "not stored yet" }));
    const bubble = make("div", { className: "bubble" }, author, make("p", { className: "content", text }), foot);
    const avatar = paintAvatar(make("span", { className: "avatar", ariaHidden: "true" }), senderName, senderId);
    if (state === "failed") bubble.append(this.#failure(message));
    element.replaceChildren(...(isMine ? [bubble] : [avatar, bubble]));
  }

  #failure(message) {
    const { onRetry, onDiscard, onEdit } = this.actions;
    const button = (text, act) => make("button", { type: "button", text, onclick: () => act(message) });
    const choices = [button("Discard", onDiscard)];
    if (message.isHere) choices.unshift(message.error?.retryable ? button("Retry", onRetry) : button("Edit", onEdit));
    const reason = make("span", { className: "reason", text: message.error?.message ?? "" });
    return make("p", { className: "failure" }, reason, ...choices);
  }
}

// One row for each message, and one for each new day.
function rowsOf(messages) {
  const rows = [];
  let before = null;
  for (const message of messages) {
    const day = new Date(message.at).toDateString();
    const isNewDay = !before || new Date(before.at).toDateString() !== day;
    if (isNewDay) rows.push({ key: `day:${day}`, at: message.at, message: null, isFirst: false });
    const isClose = !isNewDay && message.senderId === before.senderId && message.at - before.at < GROUP_MS;
    rows.push({ key: message.key, message, isFirst: !isClose });
    before = message;
  }
  return rows;
}
