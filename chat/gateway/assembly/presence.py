"""Who is there."""

from __future__ import annotations

from functools import partial

from chat.broker.presence import RedisPresence
from chat.gateway.assembly.ground import Ground
from chat.gateway.presence import LivePresence
from chat.gateway.writer import write_all
from chat.hub import Statuses
from chat.protocol.frames import text_frame
from chat.services.looking import Looking
from chat.services.presence import Presence
from chat.services.room_list import RoomList


def presence_of(ground: Ground, listed: RoomList) -> LivePresence:
    """Return what tells who is there, to those who share a room."""
    knobs, broker, hub = ground.settings.presence, ground.broker, ground.hub
    board = RedisPresence(broker.client, ground.node_id, knobs.lease_s)
    return LivePresence(
        hub,
        Statuses(hub, partial(write_all, droppable=True), text_frame, knobs.room_limit),
        Presence(board, lease_s=knobs.lease_s, grace_s=knobs.grace_s),
        board,
        broker.presence_view,
        Looking(broker.presence_view, ground.store, listed.ids).of,
    )
