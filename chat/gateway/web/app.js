// What happens when: events of the client change the store, and what the user does goes to the client.
// The view is told which room changed; it reads the store.

import { Alerts } from "./alerts.js";
import { Amending } from "./amending.js";
import { CatchingUp } from "./catching-up.js";
import { ChatClient } from "./chat-client.js";
import { Directory } from "./directory.js";
import { endsFor } from "./places.js";
import { Push } from "./push.js";
import { Reading } from "./reading.js";
import { RoomMemory } from "./room-memory.js";
import { Store } from "./store.js";
import { Typing } from "./typing.js";

const KEPT_AT_MOST = 1000; // messages of one room in memory
const KEPT = 500; // after older ones were let go
const LATE_MS = 10_000; // a confirmation of somebody's message that is so late is asked for

export class App {
  constructor({ identity, person, view, url, local = localStorage, session = sessionStorage }) {
    this.view = view;
    this.memory = new RoomMemory(local, person.userId);
    this.store = new Store(person.userId);
    this.current = null;
    this.directory = new Directory(identity);
    this.client = new ChatClient({
      url,
      getToken: (how) => identity.token(how),
      storage: session,
      storageKey: `chat.outbox.${person.userId}`,
    });
    this.catchingUp = new CatchingUp(this.client, this.store, this.directory, {
      onChange: (roomId) => view.changed(roomId),
      onFault: (text) => view.notify(text),
    });
    this.amending = new Amending(this.client, person.userId, (text) => view.notify(text));
    this.reading = new Reading(this.client, (roomId) => this.store.room(roomId)?.newestOfOthers?.seq ?? null);
    this.push = new Push({ directory: this.directory, userId: person.userId, storage: local, onChange: () => view.pushChanged() });
    this.alerts = new Alerts({ push: this.push, store: this.store, directory: this.directory, isVisible: () => view.isVisible });
    this.typing = new Typing(this.client, (roomId) => this.view.changed(roomId));
    this.#listen();
  }

  start() {
    for (const roomId of this.memory.open) this.#enter(roomId);
    for (const entry of this.client.outbox.entries) {
      this.#enter(entry.roomId);
      this.store.queue(entry);
    }
    this.client.connect();
    this.push.start();
  }

  stop() {
    this.alerts.stop();
    this.reading.stop();
    this.client.close();
  }

  reconnect() {
    this.client.retryNow();
    this.client.connect();
  }

  // Show a room, joining it first where it is new.
  open(roomId) {
    this.memory.enter(roomId);
    this.#enter(roomId);
    this.current = roomId;
    this.#saveRooms();
    this.view.showRoom(roomId);
  }

  leave(roomId) {
    this.client.leave(roomId);
    this.memory.leave(roomId);
    this.#forget(roomId);
  }

  // Somebody looks at the open room: whatever is in it is seen.
  look() {
    const room = this.store.room(this.current);
    if (!room || !this.view.isVisible) return;
    room.unseen = 0;
    this.reading.look(room.id);
  }

  send(content, replyTo = null) {
    this.typing.sent(this.current);
    const entry = this.client.send(this.current, content, replyTo);
    this.store.queue(entry);
    this.view.changed(this.current);
  }

  retry({ tempId }) {
    this.store.retry(this.current, tempId);
    this.client.retry(tempId);
    this.view.changed(this.current);
  }

  discard({ tempId, key }) {
    this.client.discard(tempId);
    this.store.discard(this.current, key);
    this.view.changed(this.current);
  }

  loadOlder(roomId) {
    return this.catchingUp.loadOlder(roomId);
  }

  #listen() {
    const on = (name, take) => this.client.addEventListener(name, ({ detail }) => take(detail));
    const taking = (take) => (detail) => {
      take(detail);
      this.view.changed(detail.roomId ?? detail.message?.room_id);
    };
    on("status", (status) => {
      this.view.showStatus(status);
      if (status.state === "online") this.#enterMine();
    });
    on("joined", (joined) => this.#joined(joined));
    on("refused", (refused) => this.#refused(refused));
    on("user-status", (status) => this.#statusTold(status));
    on("new-chat-message", (message) => this.#shown(message));
    on("unread-counts", taking(({ roomId, unread }) => {
      this.#counted(roomId, unread);
      this.alerts.counted(roomId, unread);
    }));
    on("chat-user-typing", (detail) => this.typing.heard(detail));
    on("message-confirmed", taking((detail) => this.store.confirmMine(detail)));
    on("messages-confirmed", taking((detail) => this.store.confirm(detail)));
    on("message-failed", taking((detail) => this.#failed(detail)));
    on("room-updated", (update) => this.#updated(update));
    on("message-retracted", taking((detail) => this.store.retract(detail)));
    on("message-updated", taking((detail) => this.store.amend(detail)));
    on("message-reaction", taking((detail) => this.store.amend(detail)));
    on("message-deleted", taking((detail) => this.#deleted(detail)));
    on("messages-seen", taking((detail) => this.store.room(detail.roomId)?.readers.take(detail)));
    on("fate", taking((fate) => (fate.state === "failed" ? this.#failed(fate) : this.store.settle(fate))));
    on("beat", () => this.store.rooms.forEach(({ id }) => this.catchingUp.recheck(id, Date.now() - LATE_MS)));
  }

  // Enter the rooms that one was added to while away, or is in on another device.
  async #enterMine() {
    try {
      for (const { id } of await this.directory.mine()) {
        if (!this.memory.wasLeft(id)) this.#enter(id);
      }
    } catch {
      return; // the next connection looks again
    }
    this.#saveRooms();
    this.view.changed(this.current);
  }

  // With a gap, or without a beginning, the room is read anew.
  async #joined({ roomId, recovered, isFirst, readSeq, unread, ...who }) {
    this.store.room(roomId)?.people.enter(who);
    this.reading.known(roomId, readSeq);
    this.#counted(roomId, unread);
    const isWhole = recovered && !isFirst && this.store.room(roomId)?.isLoaded;
    await (isWhole ? this.catchingUp.recheck(roomId) : this.catchingUp.reload(roomId));
    if (roomId === this.current) this.look();
    await this.catchingUp.lookUp(roomId, isWhole);
  }

  // The server says how much is unread: what is open and in sight is being seen.
  #counted(roomId, unread) {
    const room = this.store.room(roomId);
    const isSeen = roomId === this.current && this.view.isVisible;
    if (room && unread !== undefined) room.unseen = isSeen ? 0 : unread;
  }

  // A room came, changed its name, or went.
  #updated(update) {
    const { roomId, change, userId, room } = update;
    if (endsFor(update, this.store.userId)) {
      if (!this.store.room(roomId)) return;
      this.view.notify(change === "deleted" ? `${room.name ?? roomId} was deleted` : `You are no longer in ${room.name ?? roomId}`);
      this.#forget(roomId);
      return;
    }
    if (change === "created" || (change === "member-added" && userId === this.store.userId)) {
      this.memory.enter(roomId);
      this.#enter(roomId);
      this.#saveRooms();
    }
    this.store.describe(roomId, room);
    this.view.changed(roomId);
  }

  #statusTold(status) {
    for (const roomId of status.roomIds) {
      this.store.room(roomId)?.people.take(status);
      this.view.changed(roomId);
    }
  }

  #refused({ roomId, error }) {
    this.#forget(roomId);
    this.view.notify(`${roomId}: ${error.message}`);
  }

  #shown(message) {
    const roomId = message.room_id;
    const isNew = this.store.show(message) && message.sender_id !== this.store.userId;
    const isSeen = roomId === this.current && this.view.isVisible;
    const room = this.store.room(roomId);
    if (isNew && !isSeen) room.unseen += 1;
    if (isNew && !isSeen) this.alerts.heard(message);
    if (message.sender_id === this.store.userId && room) room.unseen = 0; // who sends has read
    if (isNew && isSeen) this.look();
    if (isNew && isSeen) this.view.announce(`${message.sender_name}: ${message.content}`);
    if (room?.messages.size > KEPT_AT_MOST && !this.view.isReadingBack) this.store.trim(roomId, KEPT);
    this.view.changed(roomId);
  }

  // A tombstone is not unread.
  #deleted(event) {
    const room = this.store.room(event.roomId);
    const before = this.store.amend(event);
    const wasUnread = before && !before.isMine && !before.deletedAt && before.seq > this.reading.upTo(event.roomId);
    if (wasUnread && room.unseen > 0) room.unseen -= 1;
  }

  #failed({ roomId, tempId, error }) {
    this.store.fail({ roomId, tempId, error });
    this.view.announce(`Not sent: ${error.message}`);
  }

  #enter(roomId) {
    if (this.store.room(roomId)) return;
    this.store.open(roomId);
    this.client.join(roomId);
  }

  // What was not sent there yet never will be.
  #forget(roomId) {
    for (const { tempId } of this.client.outbox.of(roomId)) this.client.discard(tempId);
    this.store.close(roomId);
    if (this.current === roomId) this.current = null;
    this.#saveRooms();
    this.view.showRoom(this.current);
  }

  #saveRooms() {
    this.memory.save(this.store.rooms.map(({ id }) => id));
  }
}
