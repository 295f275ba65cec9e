"""After an asking here somebody's unread counters will be counted anew by a worker; nobody here waits for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from chat.gateway.nudge import Nudge
from chat.model.publication import EVERYBODY

PAUSE_S = 0.1  # what is asked meanwhile goes in one round trip, with one wake-up
LIMIT = 10_000  # askings in memory while Redis is away; the beat's check mends what is dropped


class Marking(Protocol):
    """Where it is noted what has to be counted."""

    def mark(self, what: Iterable[str]) -> None: ...


class Recounter:
    """`has_counters(user, rooms)` tells whether the total and those of the rooms are there; `wake()` wakes the
    worker.
    """

    def __init__(
        self, marks: Marking, has_counters: Callable[[str, Collection[str]], bool], wake: Callable[[], object]
    ) -> None:
        self._marks = marks
        self._has_counters = has_counters
        self._wake = wake
        self._asked: dict[str, Collection[str]] = {}  # of who has asked, for which rooms
        self._nudge = Nudge(self.flush, pause_s=PAUSE_S)

    def start(self) -> None:
        """Begin to pass on what is asked."""
        self._nudge.start()

    def seen(self, user_id: str, room_id: str) -> None:
        """Have counted what a user has left, and the user's connections told; never blocks."""
        self._ask(f"s {user_id} {room_id}")

    def moved(self, user_id: str, room_id: str) -> None:
        """Have counted what a user, or everybody, has who came into a room or is in it no more; never blocks."""
        self._ask(f"r {room_id}" if user_id == EVERYBODY else f"m {user_id} {room_id}")

    def changed(self, room_id: str) -> None:
        """Have counted what a room's members have left: a message was removed; never blocks."""
        self._ask(f"r {room_id}")

    def asked(self, user_id: str, room_ids: Collection[str] = ()) -> None:
        """Have the counters filled for a user who asked for these rooms, if one is not there; never blocks."""
        self._ask(f"u {user_id}", room_ids)

    def flush(self) -> None:
        """Pass it on. Raises BrokerUnavailable, and what the task broker raises; then it is tried again."""
        asked, self._asked = self._asked, {}
        try:
            wanted = [
                what for what, rooms in asked.items() if what[0] != "u" or not self._has_counters(what[2:], rooms)
            ]
            if wanted:
                self._marks.mark(wanted)
                self._wake()
        except BaseException:
            self._asked = asked | self._asked
            raise

    def _ask(self, what: str, room_ids: Collection[str] = ()) -> None:
        if len(self._asked) < LIMIT:
            self._asked[what] = room_ids
        self._nudge()
