// What a user does to messages that were sent. It is shown when the room is told of it; each returns whether it was done.

export class Amending {
  // `onFault(text)` tells people why it was not.
  constructor(client, userId, onFault) {
    this.client = client;
    this.userId = userId;
    this.onFault = onFault;
  }

  edit({ id }, content) {
    return this.#ask("edit-chat-message", { messageId: id, content });
  }

  remove({ id }) {
    return this.#ask("delete-chat-message", { messageId: id });
  }

  // Add one's reaction, or take it back: which of the two is said, so that a repeat does not undo it.
  react({ id, reactions }, emoji) {
    const remove = reactions[emoji]?.includes(this.userId) ?? false;
    return this.#ask("react-chat-message", { messageId: id, emoji, remove });
  }

  async #ask(event, data) {
    try {
      await this.client.ask(event, data);
      return true;
    } catch (error) {
      this.onFault(error.isLost ? "There is no connection. Try it again in a moment." : error.message);
      return false;
    }
  }
}
