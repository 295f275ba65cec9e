// Asks before a message is deleted for everybody.

import { byId } from "./dom.js";

export class DeleteDialog {
  #message = null;

  constructor(onDelete) {
    this.dialog = byId("delete-dialog");
    byId("delete-cancel").addEventListener("click", () => this.dialog.close());
    byId("delete-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.dialog.close();
      onDelete(this.#message);
    });
  }

  ask(message) {
    this.#message = message;
    byId("delete-text").textContent = message.content;
    this.dialog.showModal();
    byId("delete-cancel").focus();
  }
}
