"""After a change came through here it is stored and told to its room, or it will be told by the next sweep.

The store is the truth and is written first. A note in Redis, made before that write and taken back by the very
step that tells the room, is what a crash in between leaves behind. What is told is always the present state, so
telling it twice does no harm.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chat.broker.base import Appended, Appending, Cold, DurableEvent, Intent, LogRead
from chat.errors import BrokerUnavailable, ChatError, RequestError

ATTEMPTS = 8  # a cold room and a few rivals for the same subject
# Longer than a change may take from its note to its last write: writes begin within rooms.WRITE_WITHIN_S, and the
# store gives one up after 5 s. A note that is swept earlier would not be there when the writer dies.
OVERDUE_S = 10.0
log = logging.getLogger(__name__)

Compose = Callable[[], DurableEvent | None]


class Announcer:
    """Tells rooms of changes; `warm(room)` starts a cold room's log."""

    def __init__(self, events: Appending, warm: Callable[[str], LogRead]) -> None:
        self._events = events
        self._warm = warm

    def intend(self, intent: Intent) -> None:
        """Note a change before it is stored; raises BrokerUnavailable, OutboxFull."""
        self._events.intend(intent)

    def drop(self, intent: Intent) -> None:
        """Take a note back because nothing was changed; the sweep does so when that fails."""
        try:
            self._events.forget(intent)
        except BrokerUnavailable as exc:
            log.info("intent-not-dropped", extra={"error": str(exc), "action": "leave it to the sweep"})

    @contextmanager
    def noting(self, intent: Intent) -> Iterator[None]:
        """Note a change while it is being stored; one that the rules refuse leaves no note. Raises as `intend`."""
        self.intend(intent)
        try:
            yield
        except RequestError:
            self.drop(intent)
            raise

    def announce(self, intent: Intent, compose: Compose, *, is_awaited: bool = False) -> Appended | None:
        """Tell the present state, which `compose` reads anew for each attempt; None when there is nothing to tell.

        With `is_awaited` servers acknowledge it under the token of the outcome.
        Raises: BrokerUnavailable, and what `compose` and `warm` raise; the note stays then.
        """
        token = secrets.token_hex(8) if is_awaited else ""
        for _ in range(ATTEMPTS):
            event = compose()
            if event is None:
                self.drop(intent)
                return None
            outcome = self._events.append(event, intent, token)
            if isinstance(outcome, Appended):
                return outcome
            if isinstance(outcome, Cold):
                self._warm(intent.room_id)
        raise BrokerUnavailable("append event")


class Sweep:
    """Ends what a crash interrupted; `finishers` has, by name of the event, who knows how to."""

    def __init__(self, events: Appending, finishers: Mapping[str, Callable[[Intent], Any]]) -> None:
        self._events = events
        self._finishers = finishers

    def run(self, older_than_s: float = OVERDUE_S) -> int:
        """Finish every overdue change and return how many there were; one that can't be now is left for later.

        Raises: BrokerUnavailable.
        """
        finished = 0
        for intent in self._events.overdue(older_than_s):
            try:
                self._finishers[intent.name](intent)
            except ChatError as exc:
                log.warning("change-not-announced", extra={"intent": str(intent), "error": str(exc)})
            except Exception:
                # One that can't be read must not keep the others from being told.
                log.exception("change-not-announced", extra={"intent": str(intent), "action": "go on"})
            else:
                finished += 1
        return finished
