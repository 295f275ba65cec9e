"""After a user was revoked on any server, its connections here are closed and its older tokens are refused here.

Every server keeps a copy of the revocations, so that asking costs nothing and goes on while Redis does not. The
copy hears each one as it is published, and looks for others twice a second in case a publication was lost.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

import gevent

from chat.broker import keys
from chat.broker.revocations import Revocation, read_control
from chat.errors import BrokerUnavailable
from chat.gateway.identity import Identity
from chat.gateway.session import Session
from chat.hub import Hub

REVOKED = 4503
LOOK_EVERY_S = 0.5
OVERLAP_S = 30.0  # by which servers' clocks may differ, and a look and a lost publication
FORGET_EVERY_S = 60.0
log = logging.getLogger(__name__)


class SharedRevocations(Protocol):
    """Where the revocations of all servers are."""

    keep_s: int

    def revoke(self, user_id: str) -> Revocation: ...

    def since(self, at_ms: int) -> list[Revocation]: ...


class Ear(Protocol):
    """Hears a channel."""

    def listen(self, channel: str, handler: Any) -> None: ...


class Revocations:
    """This process's copy, and what follows from it for the connections here."""

    def __init__(self, shared: SharedRevocations, hub: Hub) -> None:
        self._shared = shared
        self._hub = hub
        self._revoked_ms: dict[str, int] = {}
        self._complete_until_s: float | None = None  # None: nothing was read yet
        self._forget_at_s = 0.0

    def start(self, ear: Ear) -> None:
        """Begin to hear and to look."""
        gevent.spawn(self._listen, ear)
        gevent.spawn(self._run)

    def refuses(self, identity: Identity) -> bool:
        """Tell whether a token was issued before its user was revoked; one that does not say when may have been.

        Raises: BrokerUnavailable, when this server could never read the revocations.
        """
        if self._complete_until_s is None:
            self.look()
        revoked_ms = self._revoked_ms.get(identity.user_id)
        return revoked_ms is not None and _is_older(identity, revoked_ms)

    def revoke(self, user_id: str) -> Revocation:
        """Revoke a user everywhere.

        Raises: BrokerUnavailable.
        """
        made = self._shared.revoke(user_id)
        self._take(made)
        return made

    def hear(self, payload: bytes) -> None:
        """Take what was published."""
        heard = read_control(payload)
        if heard is not None:
            self._take(heard)

    def look(self) -> None:
        """Take what was revoked since the last look.

        Raises: BrokerUnavailable.
        """
        now_s = time.time()
        oldest_s = now_s - self._shared.keep_s
        since_s = max(oldest_s, (self._complete_until_s or 0) - OVERLAP_S)
        for each in self._shared.since(int(since_s * 1000)):
            self._take(each)
        self._complete_until_s = now_s
        if now_s >= self._forget_at_s:
            self._forget_at_s = now_s + FORGET_EVERY_S
            self._revoked_ms = {user: ms for user, ms in self._revoked_ms.items() if ms >= oldest_s * 1000}

    def _take(self, revocation: Revocation) -> None:
        user_id, at_ms = revocation
        self._revoked_ms[user_id] = max(at_ms, self._revoked_ms.get(user_id, 0))
        for listener in list(self._hub.users.get(user_id, ())):
            if isinstance(listener, Session) and _is_older(listener.identity, at_ms):
                listener.close(REVOKED, "revoked")

    def _listen(self, ear: Ear) -> None:
        try:
            ear.listen(keys.CONTROL_CHANNEL, self.hear)
        except BrokerUnavailable:
            log.warning("control-channel-not-heard-yet", extra={"action": "subscribe on reconnect"})

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except BrokerUnavailable as exc:
                log.debug("revocations-not-read", extra={"error": str(exc)})
            gevent.sleep(LOOK_EVERY_S)


def _is_older(identity: Identity, revoked_ms: int) -> bool:
    return identity.issued_at is None or identity.issued_at * 1000 <= revoked_ms
