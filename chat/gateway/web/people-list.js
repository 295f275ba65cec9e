// Who is online in the room: one line that says it, and the whole list behind it.

import { byId, make, paintAvatar } from "./dom.js";

const NAMES_SHOWN = 5;

export class PeopleList {
  #items = new Map(); // user id -> its <li>
  #roomId = null;

  constructor() {
    const list = byId("people");
    list.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !list.open) return;
      list.open = false;
      byId("people-summary").focus();
    });
    document.addEventListener("click", ({ target }) => {
      if (!list.contains(target)) list.open = false;
    });
  }

  render({ id, people, isLoaded }) {
    if (id !== this.#roomId) byId("people").open = false;
    this.#roomId = id;
    const { listed, count } = people;
    byId("people-summary").textContent = isLoaded && people.isKnown ? summary(listed, count) : "Opening the room…";
    const rest = count - listed.length;
    byId("more-people").textContent = rest > 0 ? `and ${rest} more` : "";
    byId("more-people").hidden = rest <= 0;
    this.#renderItems(listed);
  }

  // An item stays the same element while its person stays, so that the list can be read meanwhile.
  #renderItems(listed) {
    const present = new Set(listed.map(({ userId }) => userId));
    for (const [userId, item] of this.#items) {
      if (present.has(userId)) continue;
      item.remove();
      this.#items.delete(userId);
    }
    const list = byId("people-list");
    listed.forEach((person, index) => {
      const item = this.#items.get(person.userId) ?? this.#add(person);
      item.querySelector(".name").textContent = told(person);
      if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    });
  }

  #add({ userId, name }) {
    const avatar = paintAvatar(make("span", { className: "avatar", ariaHidden: "true" }), name, userId);
    const item = make("li", {}, avatar, make("span", { className: "name" }), make("small", { text: userId }));
    this.#items.set(userId, item);
    return item;
  }
}

function told({ name, isMe }) {
  return isMe ? `${name} (you)` : name;
}

function summary(listed, count) {
  const shown = listed.slice(0, NAMES_SHOWN);
  const more = count > shown.length ? ` and ${count - shown.length} more` : "";
  return `${count} online: ${shown.map(told).join(", ")}${more}`;
}
