// One message as elements. What can be done with it is named by `data-act`; message-list.js hears of the clicks.

import { make, paintAvatar } from "./dom.js";

const STATES = { sending: "Sending…", pending: "Sent", confirmed: "Confirmed", failed: "Not sent" };
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

// Make `element` show the row; the focus stays on what it was on. `room` knows people's names.
export function paintMessage(element, row, room) {
  const { message, isFirst } = row;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.act : null;
  element.className = `message${message.isMine ? " mine" : ""}${isFirst ? " first" : ""}`;
  Object.assign(element.dataset, { state: message.deletedAt ? "deleted" : message.state, key: message.key });
  element.tabIndex = -1; // a quote of it can lead here
  const avatar = paintAvatar(make("span", { className: "avatar", ariaHidden: "true" }), message.senderName, message.senderId);
  const parts = [bubbleOf(row, room), ...(canAct(message) ? [moreButton(message)] : [])];
  element.replaceChildren(...(message.isMine ? parts.reverse() : [avatar, ...parts]));
  if (focused) (element.querySelector(`[data-act="${CSS.escape(focused)}"]`) ?? element.querySelector("button") ?? element).focus();
}

// One that the server knows, and that still says something.
export function canAct({ id, state, deletedAt }) {
  return id !== null && !deletedAt && (state === "pending" || state === "confirmed");
}

function bubbleOf(row, room) {
  const { message, quoted } = row;
  const { isMine, senderName } = message;
  const author = make("strong", { className: isMine ? "unseen" : "author", text: isMine ? "You" : senderName });
  const bubble = make("div", { className: "bubble" }, author);
  if (message.replyTo && !message.deletedAt) bubble.append(quoteOf(quoted));
  bubble.append(make("p", { className: "content", text: textOf(message) }));
  if (Object.keys(message.reactions).length) bubble.append(reactionsOf(message, room));
  bubble.append(footOf(row, room));
  if (message.state === "failed") bubble.append(failureOf(message));
  return bubble;
}

export function textOf({ state, deletedAt, content }) {
  if (deletedAt) return "This message was deleted.";
  return state === "retracted" ? "This message could not be stored and was taken back." : content;
}

function quoteOf(quoted) {
  if (!quoted) return make("p", { className: "quote", text: "In reply to an earlier message" });
  const name = make("strong", { text: quoted.isMine ? "You" : quoted.senderName });
  return make("button", { className: "quote", type: "button", tabIndex: -1, ...act("quote") }, name, " ", textOf(quoted));
}

function reactionsOf({ reactions }, room) {
  const { userId } = room.readers;
  const chips = Object.entries(reactions).map(([emoji, userIds]) => {
    const names = userIds.map((each) => (each === userId ? "you" : room.nameOf(each))).join(", ");
    const chip = { className: "chip", type: "button", tabIndex: -1, title: names, ariaPressed: `${userIds.includes(userId)}` };
    return make("button", { ...chip, ariaLabel: `${emoji} ${userIds.length}: ${names}`, ...act("react", emoji) }, emoji, ` ${userIds.length}`);
  });
  return make("p", { className: "reactions" }, ...chips);
}

function footOf({ message, readers }, room) {
  const { isMine, state, at, editedAt, deletedAt } = message;
  const foot = make("p", { className: "foot" });
  if (editedAt && !deletedAt) foot.append(make("span", { className: "edited", text: "edited" }));
  foot.append(make("time", { text: clock.format(at), dateTime: new Date(at).toISOString() }));
  if (deletedAt || state === "retracted") return foot;
  if (isMine) foot.append(make("span", { className: "state", text: STATES[state] }));
  else if (state === "pending") foot.append(make("span", { className: "state", text: "not stored yet" }));
  if (readers) {
    const title = room.readers.of(message.seq).map((each) => room.nameOf(each)).join(", ");
    foot.append(make("span", { className: "seen", title, text: readers === 1 ? "Seen" : `Seen by ${readers}` }));
  }
  return foot;
}

function failureOf({ error, isHere }) {
  const button = (text, name) => make("button", { type: "button", text, ...act(name) });
  const choices = [button("Discard", "discard")];
  if (isHere) choices.unshift(error?.retryable ? button("Retry", "retry") : button("Edit", "put-back"));
  const reason = make("span", { className: "reason", text: error?.message ?? "" });
  return make("p", { className: "failure" }, reason, ...choices);
}

function moreButton({ isMine, senderName }) {
  const label = isMine ? "Actions for your message" : `Actions for the message of ${senderName}`;
  return make("button", {
    className: "more plain",
    type: "button",
    text: "⋯",
    tabIndex: -1,
    ariaLabel: label,
    ariaHasPopup: "dialog",
    popoverTargetElement: document.getElementById("message-menu"),
    ...act("more"),
  });
}

function act(name, emoji = null) {
  return { dataset: emoji === null ? { act: name } : { act: `${name} ${emoji}`, emoji } };
}
