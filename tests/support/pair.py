"""Two who talk, and a stranger."""

from __future__ import annotations

from tests.support.chat_system import ChatSystem


class Pair:
    """Ann and Bob in a room, where Eve is not; `at` is what Ann was told when she joined."""

    def __init__(self, system: ChatSystem, room: str) -> None:
        self.system, self.room = system, room
        self.tokens = {name: system.token(f"{name}-{room}") for name in ("ann", "bob", "eve")}
        self.ann, self.bob = (system.client(self.tokens[name]) for name in ("ann", "bob"))
        self.at = self.ann.join(room)
        self.bob.join(room)
