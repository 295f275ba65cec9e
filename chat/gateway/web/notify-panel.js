// The switches of notifications: for this browser below the rooms, and for the open room in its head.

import { byId } from "./dom.js";

export class NotifyPanel {
  #push = null;
  #directory = null;
  #roomId = null;
  #choice = null; // what is chosen for the open room, null until the server has said it

  constructor({ onFault }) {
    this.onFault = onFault;
    byId("notify").addEventListener("click", () => this.#push.switch());
    byId("push-test").addEventListener("click", () => this.#push.sendTest());
    byId("mute").addEventListener("click", () => this.#toggleMute());
  }

  begin({ push, directory }) {
    this.#push = push;
    this.#directory = directory;
    this.#roomId = null;
    this.render();
  }

  render() {
    const { isOffered, isOn, note } = this.#push;
    byId("push").hidden = !isOffered;
    byId("notify").textContent = isOn ? "Stop notifying me" : "Notify me";
    byId("push-test").hidden = !isOn;
    if (byId("push-status").textContent !== note) byId("push-status").textContent = note;
    if (isOffered && this.#roomId && !this.#choice) this.#load(this.#roomId);
    this.#renderMute();
  }

  showRoom(roomId) {
    if (this.#roomId === roomId) return;
    this.#roomId = roomId;
    this.#choice = null;
    if (this.#push) this.render();
  }

  async #load(roomId) {
    try {
      this.#took(roomId, await this.#directory.roomPush(roomId));
    } catch {
      return; // without it there is no switch; the next look at the room tries again
    }
  }

  async #toggleMute() {
    const roomId = this.#roomId;
    const mode = isMuted(this.#choice) ? (this.#choice.mode === "none" ? null : this.#choice.mode) : "none";
    try {
      this.#took(roomId, await this.#directory.chooseRoomPush(roomId, { mode }));
    } catch (error) {
      this.onFault(error.message);
    }
  }

  #took(roomId, choice) {
    if (roomId !== this.#roomId) return;
    this.#choice = choice;
    this.#renderMute();
  }

  #renderMute() {
    byId("mute").hidden = !this.#push.isOffered || !this.#choice;
    byId("mute").textContent = isMuted(this.#choice) ? "Unmute" : "Mute";
    byId("mute").title = isMuted(this.#choice) ? "No notifications from this room" : "";
  }
}

function isMuted(choice) {
  return choice?.mode === "none" || Date.parse(choice?.muted_until ?? "") > Date.now();
}
