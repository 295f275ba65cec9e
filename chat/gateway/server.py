"""One server process: its parts with a life of their own, started and stopped in the right order."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chat.broker.group_commit import GroupCommit
from chat.gateway.gate import Gate
from chat.gateway.lobby import Lobby
from chat.gateway.presence import LivePresence
from chat.gateway.relay import Relay
from chat.gateway.stats import Stats
from chat.gateway.wsgi import ChatWSGIServer, make_listener
from config.settings import Settings

GC_THRESHOLDS = (50_000, 20, 50)  # Python's 700, 10, 10 suit short programs


class Running(Protocol):
    """Lives until the process ends."""

    def start(self) -> None: ...


class Listening(Protocol):
    """The same, and hears other servers."""

    def start(self, relay: Relay, /) -> None: ...


@dataclass(slots=True)
class ChatServer:
    """The parts of a server that have a life of their own; those with a name are told when it ends."""

    settings: Settings
    app: Any
    commit: GroupCommit
    relay: Relay
    gate: Gate
    presence: LivePresence
    lobby: Lobby
    stats: Stats
    listening: Sequence[Listening]
    running: Sequence[Running]
    http: ChatWSGIServer | None = None

    def start(self) -> None:
        """Begin to serve; raises OSError when the address can't be had."""
        web = self.settings.web
        self.http = ChatWSGIServer(make_listener(web.host, web.port), self.app)
        self.commit.start()
        self.relay.start()
        for listening in self.listening:
            listening.start(self.relay)
        for running in self.running:
            running.start()
        self.http.start()
        _calm_collector()

    def stop(self) -> None:
        """Take no more connections, let the present ones leave, finish what was accepted."""
        if self.http is not None:
            self.http.stop_accepting()
        self.gate.doorway.leave()
        web, presence = self.settings.web, self.settings.presence
        # Its users are told to come back within the one grace, and have the other to do so.
        self.presence.leave(web.shutdown_grace_s + presence.grace_s)
        self.lobby.leave(web.shutdown_grace_s)
        self.commit.stop()
        self.relay.stop()
        self.stats.stop()
        if self.http is not None:
            self.http.stop(timeout=1)


def _calm_collector() -> None:
    """Keep the cycle collector from walking everything for every few hundred messages: a quarter of the time.

    What was loaded by now stays; the hot path makes no cycles, so waiting longer costs no memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
