"""The one connection of a process: opened at the first call, and anew where the SDK does not find back by itself.

It is opened in a thread of its own, so that no call waits longer than it may. A fork never uses its parent's: that
hangs for ever, beyond every timeout.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.couchbase.native import Background, native_lock
from chat.store.couchbase.session import Session

TRY_AGAIN_S = 1.0  # a failure to connect is told for so long before the next try
REOPEN_AFTER_S = 10.0  # of nothing but silence; the SDK has had its chance
log = logging.getLogger(__name__)

_of_parents: list[object] = []  # never closed nor freed: their threads did not come along with the fork


class Connection:
    """Lends the open session to calls, and hears from them how it went."""

    def __init__(self, open_: Callable[[], Session], *, reopen_after_s: float = REOPEN_AFTER_S) -> None:
        self._open = open_
        self._reopen_after_s = reopen_after_s
        self._is_closed = False
        self._pid = os.getpid()
        self._lock = native_lock()
        self._session: Session | None = None
        self._opening: Background[Session] | None = None
        self._failure: StoreUnavailable | None = None
        self._failed_at = 0.0
        self._silent_since: float | None = None

    def session(self, action: str, deadline: float) -> Session:
        """Return the open session, waiting for it until the deadline at most.

        Raises: StoreUnavailable, StoreMisconfigured.
        """
        if self._is_closed:
            raise StoreUnavailable(action, "the store is closed")
        if self._pid != os.getpid():
            self._leave_to_parent()
        session = self._session
        return session if session is not None else self._opened(action, deadline)

    def note_answer(self) -> None:
        """The cluster answered: all is well with the session."""
        self._silent_since = None

    def note_silence(self) -> None:
        """Nobody answered a whole call; after a while of nothing else, connect anew beside the old session.

        A bucket that is gone, or a password that was changed, is silence to the SDK: only a new login is told.
        """
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since >= self._reopen_after_s and not self._is_closed:
            self._silent_since = now
            log.warning("store-reopened", extra={"action": "connect anew"})
            self._begin()

    def close(self) -> None:
        """Let go of the session; calls raise from now on."""
        self._is_closed = True
        if self._pid == os.getpid() and self._session is not None:
            session, self._session = self._session, None
            _close(session)

    def _leave_to_parent(self) -> None:
        _of_parents.append((self._session, self._opening))
        self._pid = os.getpid()
        self._lock = native_lock()
        self._session = self._opening = self._failure = self._silent_since = None

    def _opened(self, action: str, deadline: float) -> Session:
        if self._failure is not None and time.monotonic() - self._failed_at < TRY_AGAIN_S:
            raise type(self._failure)(action, self._failure.fault) from self._failure
        opening = self._begin()
        if not opening.wait(deadline - time.monotonic()):
            if (failure := self._failure) is not None:  # what the try before found says more
                raise type(failure)(action, failure.fault) from failure
            raise StoreUnavailable(action, "still connecting")
        try:
            return opening.result()
        except StoreUnavailable as exc:
            raise type(exc)(action, exc.fault) from exc

    def _begin(self) -> Background[Session]:
        with self._lock:
            # one that was quick is over before its name here is set, and would stay for ever
            if self._opening is None or self._opening.is_done:
                self._opening = Background(self._connect)
            return self._opening

    def _connect(self) -> Session:
        try:
            session = self._open()
        except StoreUnavailable as exc:
            self._failure, self._failed_at = exc, time.monotonic()
            if isinstance(exc, StoreMisconfigured):
                self._replace(None)  # silent for the same reason, which its calls would never say
            raise
        finally:
            self._opening = None
        self._failure = None
        self._replace(session)
        if self._is_closed:
            _close(session)
        return session

    def _replace(self, session: Session | None) -> None:
        old, self._session = self._session, session
        if old is not None:
            _close(old)


def _close(session: Session) -> None:
    with suppress(Exception):  # whatever is wrong with it, nobody uses it any more
        session.cluster.close()
