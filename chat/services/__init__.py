"""What the chat does, as decisions over the broker and the store; no driver and no framework is known here."""
