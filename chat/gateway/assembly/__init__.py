"""Puts a server process together from settings: who works with whom, in one place."""

from __future__ import annotations

from chat.gateway.assembly.lobby import lobby_of
from chat.gateway.assembly.parts import parts_of
from chat.gateway.assembly.waking import WakeUps
from chat.gateway.assembly.web import app_of
from chat.gateway.heartbeat import Heartbeat
from chat.gateway.server import ChatServer
from chat.gateway.stats import Stats
from config.settings import Settings

__all__ = ["WakeUps", "build"]


def build(settings: Settings, wake_ups: WakeUps) -> ChatServer:
    """Put a server together; nothing is connected yet."""
    parts = parts_of(settings, wake_ups)
    ground, rooms, following, presence = parts.ground, parts.rooms, parts.following, parts.presence
    lobby = lobby_of(parts)
    heartbeat = Heartbeat(settings.web.ping_after_s, settings.web.heartbeat_timeout_s)
    stats = Stats(ground.node_id, ground.hub, following.rooms, rooms.membership, ground.broker.counters)
    return ChatServer(
        settings,
        app_of(parts, lobby, heartbeat, stats),
        parts.accepting.commit,
        ground.relay,
        parts.gate,
        presence,
        lobby,
        stats,
        listening=[following.cut_offs, following.rooms, parts.gate, presence],
        running=[
            lobby,
            heartbeat,
            stats,
            *parts.reading.running(),
            *parts.accepting.running(),
            *parts.wakers.running(),
        ],
    )
