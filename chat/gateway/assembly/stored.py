"""Messages that are stored: their pages, what became of them, their amendments, threads and pins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import gevent

from chat.gateway.assembly.ground import Ground
from chat.gateway.assembly.rooms import RoomParts
from chat.gateway.assembly.waking import Wakers
from chat.gateway.threads import ThreadPages
from chat.services.amending import Amending
from chat.services.drafting import Drafting
from chat.services.edit_history import EditHistory
from chat.services.fates import Fates
from chat.services.history import History
from chat.services.message_telling import MessageTelling
from chat.services.pins import Pins
from chat.services.removed import Removing
from chat.services.roles import is_moderator
from chat.services.stored_messages import StoredMessages
from chat.services.threads import Threads
from chat.services.tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class Stored:
    """What reads and changes stored messages."""

    history: History
    fates: Fates
    amending: Amending
    thread_pages: ThreadPages
    pins: Pins


def stored_of(ground: Ground, rooms: RoomParts, drafting: Drafting, wakers: Wakers) -> Stored:
    """Return what reads and changes stored messages."""
    broker, store, locate = ground.broker, ground.store, ground.cold_start.locate
    messages = StoredMessages(store, broker.log, gevent.sleep)
    removing = Removing(broker.reading, locate, wakers.recounter.changed)
    pins = Pins(store, rooms.rooms, messages, rooms.announcer)

    def on_replies(parents: Collection[str]) -> None:
        broker.threads.mark(parents)
        wakers.threads()

    amending = Amending(
        messages,
        EditHistory(store),
        MessageTelling(messages, rooms.announcer, Tombstones(store, on_replies, pins.drop)),
        drafting.check_edit,
        lambda room_id, user_id: is_moderator(rooms.rooms.roster(room_id), user_id),
        lambda ref: removing.remove(ref.room_id, [ref.seq]),
    )
    return Stored(
        History(broker.log, store, locate),
        Fates(broker.log, locate),
        amending,
        ThreadPages(rooms.membership, messages, Threads(store)),
        pins,
    )
