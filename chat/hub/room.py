"""A room as this process sees it: who listens here, and up to which event they were served."""

from __future__ import annotations

from typing import Any, Protocol

from chat.model.publication import Confirmed, RoomEvents


class Listener(Protocol):
    """A connection, as far as the hub is concerned."""

    user_id: str
    rooms: set[str]  # those it is in
    writer: Any  # handed to `Fanout`, never looked at

    def __hash__(self) -> int: ...


class Room:
    """The local side of a room."""

    __slots__ = (
        *("room_id", "epoch", "offset", "last_seq", "listeners", "joining"),
        *("is_ready", "is_syncing", "is_doubtful", "held", "outgoing", "empty_since", "_writers"),
    )

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.epoch = ""
        self.offset = 0
        self.last_seq = 0
        self.listeners: dict[Listener, None] = {}
        # What came while a member's replay was being read, as (offset, frame); offset 0 is no durable event.
        self.joining: dict[Listener, list[tuple[int, bytes]]] = {}
        self.is_ready = False  # its position is known
        self.is_syncing = True  # until then, and while missed events are read: publications are held
        self.is_doubtful = False  # the connection was lost, so events may have passed unseen
        self.held: list[RoomEvents | Confirmed] = []
        self.outgoing: list[bytes] = []  # frames of this turn, sent as one
        self.empty_since: float | None = None  # the relay's: when the last listener left
        self._writers: list[Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nobody here listens or is about to."""
        return not self.listeners and not self.joining

    @property
    def writers(self) -> list[Any]:
        """The listeners' writers, as a list that is made once per change."""
        if self._writers is None:
            self._writers = [listener.writer for listener in self.listeners]
        return self._writers

    def add(self, listener: Listener) -> None:
        """Let a listener hear whatever is delivered from now on."""
        self.listeners[listener] = None
        self._writers = None

    def remove(self, listener: Listener) -> None:
        """Let a listener go; nothing happens when it is not there."""
        self.joining.pop(listener, None)
        if self.listeners.pop(listener, self) is None:
            self._writers = None
