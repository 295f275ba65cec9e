// The first screen: a name in dev mode, a token in jwt mode.

import { byId } from "./dom.js";

export class SignIn {
  constructor(identity, onDone) {
    this.identity = identity;
    this.isDev = identity.mode === "dev";
    byId("name-field").hidden = !this.isDev;
    byId("token-field").hidden = this.isDev;
    byId("sign-in-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(onDone);
    });
  }

  show(reason = "") {
    byId("sign-in-error").textContent = reason;
    byId("sign-in").hidden = false;
    byId("chat").hidden = true;
    byId("name").value = this.identity.lastName;
    byId("token").value = "";
    byId(this.isDev ? "name" : "token").focus();
  }

  hide() {
    byId("sign-in").hidden = true;
    byId("chat").hidden = false;
  }

  #submit(onDone) {
    try {
      if (this.isDev) this.identity.signInAs(byId("name").value);
      else this.identity.signInWith(byId("token").value);
    } catch (error) {
      byId("sign-in-error").textContent = error.message;
      return;
    }
    onDone();
  }
}
