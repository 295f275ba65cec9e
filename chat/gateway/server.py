"""One server process: its parts with a life of their own, started and stopped in the right order."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

from chat.broker.group_commit import GroupCommit
from chat.gateway.cut_offs import CutOffs
from chat.gateway.gate import Gate
from chat.gateway.heartbeat import Heartbeat
from chat.gateway.lobby import Lobby
from chat.gateway.nudge import Nudge
from chat.gateway.presence import LivePresence
from chat.gateway.recounter import Recounter
from chat.gateway.relay import Relay
from chat.gateway.rooms import LocalRooms
from chat.gateway.settler import Settler
from chat.gateway.shared_rate import SharedRate
from chat.gateway.stats import Stats
from chat.gateway.temp_messages import TempMessages
from chat.gateway.typing import Typing
from chat.gateway.wsgi import ChatWSGIServer, make_listener
from config.settings import Settings

GC_THRESHOLDS = (50_000, 20, 50)  # Python's 700, 10, 10 suit short programs


@dataclass(slots=True)
class ChatServer:
    """The parts of a server that have a life of their own."""

    settings: Settings
    app: Any
    commit: GroupCommit
    relay: Relay
    rooms: LocalRooms
    settler: Settler
    nudge: Nudge
    lobby: Lobby
    heartbeat: Heartbeat
    stats: Stats
    gate: Gate
    rate: SharedRate
    cut_offs: CutOffs
    presence: LivePresence
    typing: Typing
    seen_nudge: Nudge
    recounter: Recounter
    temp_messages: TempMessages
    threads_nudge: Nudge
    http: ChatWSGIServer | None = None

    def start(self) -> None:
        """Begin to serve; raises OSError when the address can't be had."""
        web = self.settings.web
        self.http = ChatWSGIServer(make_listener(web.host, web.port), self.app)
        self.commit.start()
        self.relay.start()
        self.cut_offs.start(self.relay)
        self.rooms.start(self.relay)
        self.settler.start()
        self.nudge.start()
        self.lobby.start()
        self.heartbeat.start()
        self.stats.start()
        self.gate.start(self.relay)
        self.rate.start()
        self.presence.start(self.relay)
        self.typing.start()
        self.seen_nudge.start()
        self.recounter.start()
        self.temp_messages.start()
        self.threads_nudge.start()
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
