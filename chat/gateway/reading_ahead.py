"""What a user who just came will need is read before it is asked for, for all who came meanwhile in one read."""

from __future__ import annotations

from collections.abc import Callable, Collection

from chat.errors import StoreError
from chat.gateway.nudge import Nudge

PAUSE_S = 0.05  # who comes meanwhile goes along in the next read
LIMIT = 5_000  # users who wait for it while the store is slow; whoever is dropped is read when asked for


class ReadingAhead:
    """`read(users)` may block and fail: then each is read when it is needed."""

    def __init__(self, read: Callable[[Collection[str]], None]) -> None:
        self._read = read
        self._users: dict[str, None] = {}
        self._nudge = Nudge(self.flush, pause_s=PAUSE_S)

    def start(self) -> None:
        """Begin to read."""
        self._nudge.start()

    def __call__(self, user_id: str) -> None:
        """Have what this user needs read soon; never blocks."""
        if len(self._users) < LIMIT:
            self._users[user_id] = None
            self._nudge()

    def flush(self) -> None:
        """Read for all who wait."""
        users, self._users = self._users, {}
        try:
            self._read(users)
        except StoreError:
            return  # it will be noticed where an answer depends on it
