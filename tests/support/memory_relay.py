"""In-memory twin of what hears Redis in a server process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chat.errors import ChatError


class MemoryRelay:
    """The one subscriber of a server process: it hands on what a test passes to `hear`."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[bytes], None]] = {}
        self.is_connected = True
        self.fault: ChatError | None = None

    def listen(self, channel: str, handler: Callable[[bytes], None]) -> None:
        if self.fault is not None:
            raise self.fault
        self.handlers[channel] = handler

    def forget(self, channels: Sequence[str]) -> None:
        for channel in channels:
            self.handlers.pop(channel, None)

    def hear(self, channel: str, payload: bytes) -> None:
        """Pass one publication on, if anybody listens."""
        handler = self.handlers.get(channel)
        if handler is not None:
            handler(payload)
