"""What people do besides sending: they type, they read, and choose whether others are told so."""

from __future__ import annotations

from dataclasses import dataclass

from chat.broker import keys
from chat.broker.typing import RedisTyping
from chat.gateway.assembly.ground import Ground
from chat.gateway.assembly.rooms import RoomParts
from chat.gateway.assembly.waking import Wakers
from chat.gateway.reading import Reading
from chat.gateway.reading_ahead import ReadingAhead
from chat.gateway.server import Running
from chat.gateway.typing import Typing
from chat.services.mentions import Mentions
from chat.services.preferences import Preferences
from chat.services.seen import Seen
from chat.services.standings import Standings


@dataclass(frozen=True, slots=True)
class ReadingParts:
    """What takes marks and typing."""

    reading: Reading
    typing: Typing
    preferences: Preferences
    ahead: ReadingAhead

    def running(self) -> tuple[Running, ...]:
        """Return what is to be started."""
        return self.typing, self.ahead


def reading_parts_of(ground: Ground, rooms: RoomParts, wakers: Wakers) -> ReadingParts:
    """Return what takes marks and typing."""
    broker, hub, store, recounter = ground.broker, ground.hub, ground.store, wakers.recounter
    preferences = Preferences(
        store,
        lambda user_id: ground.relay.is_connected and hub.has_user(user_id),
        lambda user_id: ground.publish(keys.user_channel(user_id), b"settings"),
    )

    def on_raised(user_id: str, room_id: str) -> None:
        wakers.seen()
        recounter.seen(user_id, room_id)

    is_private = preferences.reads_in_private
    seen = Seen(broker.reading, store, ground.cold_start.locate, is_private, on_raised, recounter.asked)
    mentions = Mentions(store, broker.reading.note_mentions)
    everywhere = Standings(broker.reading, rooms.unread, rooms.listed.ids)
    return ReadingParts(
        Reading(hub, rooms.membership, seen, rooms.unread, everywhere, recounter.asked, mentions.of),
        Typing(hub, rooms.membership, RedisTyping(broker.client, ground.node_id).tell),
        preferences,
        ReadingAhead(preferences.read_ahead),
    )
