// The buttons of a list of messages are one stop of the Tab key; the arrow keys go from message to message and along one.

const BUTTONS = "button[tabindex]"; // those of a failed message are stops of their own

export class MessageKeys {
  #key = null; // of the message that was gone to; the newest one otherwise

  constructor(list) {
    this.list = list;
    list.addEventListener("keydown", (event) => this.#pressed(event));
    list.addEventListener("focusin", ({ target }) => {
      if (!target.matches(BUTTONS)) return;
      this.#key = target.closest(".message").dataset.key;
      this.#settleOn(target);
    });
    list.addEventListener("focusout", () => (this.#key = null));
  }

  // After the list was changed: there is one stop, the newest message's or where the focus is.
  settle() {
    const messages = this.#messages;
    const message = messages.find(({ dataset }) => dataset.key === this.#key) ?? messages.at(-1);
    const focused = message?.contains(document.activeElement) && document.activeElement.matches(BUTTONS);
    if (message) this.#settleOn(focused ? document.activeElement : message.querySelector(".more"));
  }

  get #messages() {
    return [...this.list.children].filter((element) => element.querySelector(".more"));
  }

  #settleOn(button) {
    for (const each of this.list.querySelectorAll('button[tabindex="0"]')) each.tabIndex = -1;
    button.tabIndex = 0;
  }

  #pressed(event) {
    const { key, target } = event;
    const message = target.closest(".message");
    if (!message || !(target.matches(BUTTONS) || target === message)) return;
    const along = [...message.querySelectorAll(BUTTONS)];
    const going = {
      ArrowUp: () => nextTo(message, "previousElementSibling"),
      ArrowDown: () => nextTo(message, "nextElementSibling"),
      ArrowLeft: () => along[along.indexOf(target) - 1],
      ArrowRight: () => along[along.indexOf(target) + 1],
      Home: () => this.#messages[0]?.querySelector(".more"),
      End: () => this.#messages.at(-1)?.querySelector(".more"),
    }[key];
    if (!going) return;
    event.preventDefault();
    going()?.focus();
  }
}

// The button of the nearest message in that direction that has one.
function nextTo(message, direction) {
  let element = message[direction];
  while (element && !element.querySelector(".more")) element = element[direction];
  return element?.querySelector(".more");
}
