// The rooms one is in, the field to join another, and the dialog to make one.

import { byId, make } from "./dom.js";
import { slug } from "./identity.js";

export function addressOf(roomId) {
  return `#/${roomId}`;
}

export class RoomList {
  #items = new Map(); // roomId -> its <li>

  constructor({ onJoin, onMake }) {
    byId("join-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("join-room").value.trim();
      byId("join-form").reset();
      if (name) onJoin(slug(name));
    });
    byId("new-room").addEventListener("click", () => this.#openDialog());
    byId("room-form-cancel").addEventListener("click", () => byId("room-dialog").close());
    byId("room-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make(onMake);
    });
  }

  render(rooms, current) {
    const ids = new Set(rooms.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (ids.has(id)) continue;
      item.remove();
      this.#items.delete(id);
    }
    for (const room of rooms) this.#renderRoom(room, room.id === current);
    byId("no-rooms").hidden = rooms.length > 0;
  }

  #renderRoom({ id, name, unseen }, isCurrent) {
    if (!this.#items.has(id)) {
      const link = make("a", { href: addressOf(id) }, make("span", { className: "name" }), make("span"));
      this.#items.set(id, make("li", {}, link));
      byId("room-list").append(this.#items.get(id));
    }
    const link = this.#items.get(id).firstChild;
    link.firstChild.textContent = name;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    const badge = link.lastChild;
    badge.className = unseen ? "badge" : "";
    badge.textContent = unseen || "";
    if (unseen) badge.setAttribute("aria-label", `${unseen} unread`);
    else badge.removeAttribute("aria-label");
  }

  #openDialog() {
    byId("room-form").reset();
    byId("room-form-error").textContent = "";
    byId("room-dialog").showModal();
    byId("room-form-name").focus();
  }

  async #make(onMake) {
    const name = byId("room-form-name").value.trim();
    const members = byId("room-form-members").value.split(/[\s,]+/).filter(Boolean);
    const type = byId("room-form").elements.type.value;
    try {
      await onMake({ name, type, members });
      byId("room-dialog").close();
    } catch (error) {
      byId("room-form-error").textContent = error.message;
    }
  }
}
