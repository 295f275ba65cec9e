"""One greenlet wakes the workers for everything a server process accepts, at most once per pause."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent
from gevent.event import Event

PAUSE_S = 0.05  # many accepts, one wake-up; the first of them hardly waits
ANSWER_FIRST_S = 0.002  # what asked is answered meanwhile: a wake-up may take the loop a millisecond
FAILURE_PAUSE_S = 0.5
log = logging.getLogger(__name__)


class Nudge:
    """`wake()` may block and fail; the accept path only sets an event."""

    def __init__(self, wake: Callable[[], object], *, pause_s: float = PAUSE_S) -> None:
        self._wake = wake
        self._pause_s = pause_s
        self._due = Event()
        self._has_failed = False

    def start(self) -> None:
        """Begin to serve."""
        gevent.spawn(self._run)

    def __call__(self) -> None:
        """Ask for a wake-up; never blocks."""
        self._due.set()

    def _run(self) -> None:
        while True:
            self._due.wait()
            gevent.sleep(ANSWER_FIRST_S)
            self._due.clear()
            try:
                self._wake()
            except Exception as exc:
                # Whatever the task broker raises: workers look by themselves every few seconds.
                if not self._has_failed:
                    log.warning("wake-up-not-sent", extra={"error": str(exc), "action": "try again"})
                self._has_failed = True
                gevent.sleep(FAILURE_PAUSE_S)
                self._due.set()
            else:
                self._has_failed = False
                gevent.sleep(self._pause_s)
