// The second screen: it shows what the store knows, and tells the app what the user does.

import { canAct } from "./bubble.js";
import { Composer } from "./composer.js";
import { DeleteDialog } from "./delete-dialog.js";
import { byId, paintAvatar } from "./dom.js";
import { MessageList } from "./message-list.js";
import { MessageMenu } from "./message-menu.js";
import { NotifyPanel } from "./notify-panel.js";
import { PeopleList } from "./people-list.js";
import { addressOf, RoomList } from "./room-list.js";
import { installTheme } from "./theme.js";

const NOTICE_MS = 8_000;
const STATUS = {
  connecting: "Connecting…",
  online: "Connected",
  waiting: "Connection lost, trying again",
  ended: "Not connected",
};

export class View {
  app = null;
  #changed = new Set(); // rooms to show anew at the next frame
  #noticeTimer = null;

  constructor({ onSignOut, onSignInNeeded }) {
    this.onSignInNeeded = onSignInNeeded;
    this.rooms = new RoomList({
      onJoin: (roomId) => this.#go(roomId),
      onMake: async (wanted) => this.#go(await this.app.directory.make(wanted)),
    });
    this.people = new PeopleList();
    this.messages = new MessageList({
      onOlder: () => this.app?.current && this.app.loadOlder(this.app.current),
      onAct: (name, message, button) => this.#act(name, message, button),
    });
    this.menu = new MessageMenu({
      onReact: (message, emoji) => this.app.amending.react(this.#now(message), emoji),
      onReply: (message) => this.composer.reply(this.#now(message)),
      onEdit: (message) => this.composer.edit(this.#now(message)),
      onDelete: (message) => this.deleteDialog.ask(message),
    });
    this.deleteDialog = new DeleteDialog((message) => this.app.amending.remove(message));
    this.composer = new Composer({
      onSend: (text, replyTo) => this.#send(text, replyTo),
      onEdit: (message, text) => this.app.amending.edit(message, text),
      onWrite: (text) => this.app?.typing.wrote(this.app.current, text),
      onEditLast: () => this.#editLast(),
    });
    this.notifyPanel = new NotifyPanel({ onFault: (text) => this.notify(text) });
    installTheme(byId("theme"));
    byId("sign-out").addEventListener("click", onSignOut);
    byId("reconnect").addEventListener("click", () => this.app.reconnect());
    byId("leave").addEventListener("click", () => this.app.leave(this.app.current));
    byId("back").addEventListener("click", () => this.#showRooms());
    byId("room-list").addEventListener("click", ({ target }) => {
      if (target.closest("[aria-current]")) document.body.dataset.pane = "room"; // on a phone: back to it
    });
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault();
      byId("draft").focus();
    });
    document.addEventListener("visibilitychange", () => this.app?.current && this.showRoom(this.app.current));
  }

  get isVisible() {
    return document.visibilityState === "visible";
  }

  get isReadingBack() {
    return !this.messages.isAtEnd;
  }

  begin(app, { userId, name }) {
    this.app = app;
    byId("my-name").textContent = name;
    byId("my-id").textContent = userId;
    paintAvatar(byId("my-avatar"), name, userId);
    this.notifyPanel.begin(app);
    this.showRoom(null);
  }

  showRoom(roomId) {
    byId("room").dataset.open = roomId !== null;
    document.body.dataset.pane = roomId === null ? "rooms" : "room";
    if (location.hash !== addressOf(roomId ?? "")) history.replaceState(null, "", addressOf(roomId ?? ""));
    byId("room-name").textContent = this.app.store.room(roomId)?.name ?? "";
    this.app.look();
    if (this.shownRoom !== roomId) this.composer.showRoom(roomId);
    if (this.shownRoom !== roomId) this.notifyPanel.showRoom(null);
    this.shownRoom = roomId;
    this.changed(roomId);
  }

  // Something in this room is new; many changes at once are shown at once.
  changed(roomId) {
    if (this.#changed.size === 0) {
      if (this.isVisible) requestAnimationFrame(() => this.#render());
      else setTimeout(() => this.#render(), 0); // a hidden page has no frames
    }
    this.#changed.add(roomId);
  }

  showStatus({ state, code, reason }) {
    document.body.dataset.status = state;
    byId("status-text").textContent = STATUS[state];
    byId("reconnect").hidden = state === "online" || state === "connecting";
    if (state !== "ended" || code === 1000) return;
    if (code === 4500) this.onSignInNeeded(reason);
    else this.notify(`The server closed the connection: ${reason || code}`);
  }

  pushChanged() {
    if (this.app) this.notifyPanel.render();
  }

  // Tell it to those who can't see the list.
  announce(text) {
    byId("announcer").textContent = text;
  }

  notify(text) {
    byId("notice").textContent = text;
    byId("notice").hidden = false;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => (byId("notice").hidden = true), NOTICE_MS);
  }

  #render() {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    const { store, current } = this.app;
    this.rooms.render(store.rooms, current);
    const unseen = store.rooms.reduce((sum, room) => sum + room.unseen, 0);
    const room = store.room(current);
    document.title = `${unseen ? `(${unseen}) ` : ""}${room ? `${room.name} · ` : ""}Chat`;
    if (room?.isLoaded) this.notifyPanel.showRoom(current);
    if (!room || !changed.has(current)) return;
    byId("room-name").textContent = room.name;
    this.messages.render(room);
    this.composer.forget(({ key }) => room.messages.has(key) && !canAct(room.messages.get(key)));
    this.people.render(room);
    const typing = this.app.typing.line(current);
    if (byId("typing").textContent !== typing) byId("typing").textContent = typing;
  }

  // A button of a message was pressed. After one that is gone then, the focus moves to where one goes on.
  #act(name, message, button) {
    const { amending, store, current } = this.app;
    const canDelete = message.isMine || store.room(current).isModerated;
    if (name === "more") this.menu.prepare(message, button, { userId: store.userId, canDelete });
    else if (name === "react") amending.react(message, button.dataset.emoji);
    else {
      if (name === "retry") this.app.retry(message);
      else this.app.discard(message);
      if (name === "put-back") this.composer.putBack(message.content);
      byId("draft").focus();
    }
  }

  // A message as it is by now.
  #now(message) {
    return this.app.store.room(this.app.current)?.messages.get(message.key) ?? message;
  }

  #editLast() {
    const newest = this.app.store.room(this.app.current)?.newestMine;
    if (newest && canAct(newest)) this.composer.edit(newest);
  }

  #send(text, replyTo) {
    try {
      this.messages.isAtEnd = true;
      this.app.send(text, replyTo);
      return true;
    } catch (error) {
      this.notify(error.message);
      return false;
    }
  }

  #go(roomId) {
    this.app.open(roomId);
    byId("draft").focus();
  }

  #showRooms() {
    document.body.dataset.pane = "rooms";
    byId("room-list").querySelector("[aria-current]")?.focus();
  }
}
