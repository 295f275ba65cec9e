"""Rooms as they are kept: what changes them, who is in them, and a user's list of them."""

from __future__ import annotations

from dataclasses import dataclass

from chat.broker.events import RedisEvents
from chat.gateway.assembly.ground import Ground
from chat.gateway.recounter import Recounter
from chat.services.announcing import Announcer
from chat.services.membership import Membership
from chat.services.room_changes import RoomChanges
from chat.services.room_list import RoomList
from chat.services.rooms import Rooms
from chat.services.unread import Unread


@dataclass(frozen=True, slots=True)
class RoomParts:
    """What works on rooms; whom `changes` waits for is named by those who follow rooms."""

    rooms: Rooms
    announcer: Announcer
    changes: RoomChanges
    membership: Membership
    unread: Unread
    listed: RoomList


def room_parts_of(ground: Ground, recounter: Recounter) -> RoomParts:
    """Return what changes and reads rooms."""
    settings, broker = ground.settings, ground.broker
    rooms = Rooms(ground.store, member_limit=settings.limits.room_members)
    events = RedisEvents(broker.client, log_length=settings.path.log_length, node_id=ground.node_id)
    announcer = Announcer(events, ground.cold_start.warm)
    changes = RoomChanges(rooms, announcer, broker.members, on_moved=recounter.moved)
    unread = Unread(broker.reading, ground.store)
    return RoomParts(
        rooms,
        announcer,
        changes,
        Membership(rooms, broker.members, changes, is_dev=settings.auth.is_dev),
        unread,
        RoomList(rooms, ground.store, broker.members, unread.counts),
    )
