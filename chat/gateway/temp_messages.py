"""After a message was accepted here operators find it under its temp id; no message waits for that.

What was accepted is gathered and written by a greenlet of its own. That costs Redis a command for each message, so
there is a bound: of a flood only a part is shown, the newest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from chat.broker.base import Accepted, Draft
from chat.errors import BrokerUnavailable
from chat.gateway.nudge import Nudge

PAUSE_S = 0.02  # what is accepted meanwhile goes in one round trip
BATCH = 40  # messages in a round trip, a quarter of a millisecond of this process: 2,000 messages/s are shown
WAITING = 1000  # messages that may wait for it


class Showing(Protocol):
    """Where they are shown."""

    def show(self, accepted: Sequence[tuple[Draft, Accepted]]) -> None: ...


class TempMessages:
    """Hands on what was accepted, in the order it was."""

    def __init__(self, board: Showing) -> None:
        self._board = board
        self._waiting: deque[tuple[Draft, Accepted]] = deque(maxlen=WAITING)
        self._nudge = Nudge(self.flush, pause_s=PAUSE_S)

    def start(self) -> None:
        """Begin to write."""
        self._nudge.start()

    def accepted(self, draft: Draft, place: Accepted) -> None:
        """Have a message shown; never blocks."""
        self._waiting.append((draft, place))
        self._nudge()

    def flush(self) -> None:
        """Show the next ones. While Redis is away they are dropped: a minute later they would be gone anyway."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            self._board.show(batch)
        except BrokerUnavailable:
            self._waiting.clear()
        if self._waiting:
            self._nudge()
