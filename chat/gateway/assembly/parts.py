"""The groups of a server's parts, built in their order: each is given those before it and knows none behind it."""

from __future__ import annotations

from dataclasses import dataclass

from chat.gateway.assembly.accepting import Accepting, accepting_of
from chat.gateway.assembly.following import Following, following_of
from chat.gateway.assembly.gate import gate_of
from chat.gateway.assembly.ground import Ground, ground_of
from chat.gateway.assembly.presence import presence_of
from chat.gateway.assembly.reading import ReadingParts, reading_parts_of
from chat.gateway.assembly.rooms import RoomParts, room_parts_of
from chat.gateway.assembly.stored import Stored, stored_of
from chat.gateway.assembly.waking import Wakers, WakeUps, wakers_of
from chat.gateway.gate import Gate
from chat.gateway.presence import LivePresence
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """All that the lobby and the web side work with."""

    ground: Ground
    wakers: Wakers
    gate: Gate
    rooms: RoomParts
    accepting: Accepting
    stored: Stored
    presence: LivePresence
    reading: ReadingParts
    following: Following


def parts_of(settings: Settings, wake_ups: WakeUps) -> Parts:
    """Build the groups."""
    ground = ground_of(settings)
    wakers = wakers_of(ground.broker, wake_ups)
    rooms = room_parts_of(ground, wakers.recounter)
    accepting = accepting_of(ground, wakers.drain)
    presence = presence_of(ground, rooms.listed)
    reading = reading_parts_of(ground, rooms, wakers)
    return Parts(
        ground,
        wakers,
        gate_of(ground),
        rooms,
        accepting,
        stored_of(ground, rooms, accepting.drafting, wakers),
        presence,
        reading,
        following_of(ground, rooms, accepting, presence, reading.preferences),
    )
