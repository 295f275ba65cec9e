"""After a change of a room's pins here it is stored and the room was told, or the sweep will tell it.

Pins are a part of the room's document, changed by compare-and-set. A pinned message is always one that is there: a
deletion takes its pin away before it is told, and whoever pins looks at the message once more behind the write.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from chat.broker.base import DurableEvent, Intent
from chat.errors import LimitReached, MessageDeleted, MessageNotFound, RoomNotFound
from chat.model.amendments import state_of
from chat.model.clock import now_ms, rfc3339
from chat.model.events import durable_message, split_frame
from chat.model.ids import MessageRef, message_id, parse_message_id
from chat.model.message import message_key
from chat.model.room import Pin, RoomRecord, Roster, room_as_told
from chat.services import roles
from chat.services.announcing import Announcer
from chat.services.room_updates import EVENT, NAMED_IN_EVENT
from chat.services.rooms import Rooms
from chat.services.stored_messages import StoredMessages
from chat.store.base import Kind, Store

NOTE = "pins"  # the name of the notes, for their finisher; what is told is `room-updated`
PINNED, UNPINNED = "pinned", "unpinned"
PINS_LIMIT = 50  # of one room
NOBODY = "-"  # the message was deleted: nobody took its pin away


class Pinned(NamedTuple):
    """A pin, and the message as clients see it."""

    message_id: str
    pin: Pin
    message: bytes


class Pins:
    """Pins of rooms; who reads them was checked to be a member."""

    def __init__(self, store: Store, rooms: Rooms, messages: StoredMessages, announcer: Announcer) -> None:
        self._store = store
        self._rooms = rooms
        self._messages = messages
        self._announcer = announcer

    def of_room(self, room_id: str) -> list[Pinned]:
        """Return a room's pins, the newest first. Raises RoomNotFound, StoreUnavailable."""
        pins = self._rooms.get(room_id).pins
        keys = {text: message_key(room_id, ref.seq) for text in pins if (ref := parse_message_id(text))}
        found = self._store.get_many(Kind.MESSAGE, list(keys.values()))
        bodies = {text: found[key].body for text, key in keys.items() if key in found}
        there = {text: body for text, body in bodies.items() if _is_alive(body, text)}
        newest_first = reversed(pins.items())
        return [Pinned(text, pin, durable_message(there[text])) for text, pin in newest_first if text in there]

    def pin(self, room_id: str, actor_id: str, ref: MessageRef) -> Pin:
        """Pin a message of the room; one that is pinned already stays so.

        Raises: NotAMember, Forbidden, MessageNotFound, NotStoredYet, MessageDeleted, LimitReached, RoomNotFound.
        """
        roles.require_pinning(self._rooms.roster(room_id), actor_id)
        if ref.room_id != room_id:
            raise MessageNotFound("there is no such message in this room", field="messageId")
        self._require_alive(ref)
        text, new = message_id(*ref), Pin(actor_id, rfc3339(now_ms()))

        def decide(roster: Roster) -> RoomRecord:
            roles.require_pinning(roster, actor_id)
            pins = roster.room.pins
            if text not in pins and len(pins) >= PINS_LIMIT:
                raise LimitReached(f"a room has at most {PINS_LIMIT} pins; take one away", field="messageId")
            return roster.room if text in pins else msgspec.structs.replace(roster.room, pins={**pins, text: new})

        room = self._change(PINNED, actor_id, ref, decide)
        self._require_alive(ref, otherwise=lambda: self.drop(ref))
        return room.pins.get(text, new)

    def unpin(self, room_id: str, actor_id: str, ref: MessageRef) -> None:
        """Take a message's pin away, if it has one. Raises NotAMember, Forbidden, RoomNotFound."""
        roles.require_pinning(self._rooms.roster(room_id), actor_id)
        if ref.room_id != room_id:
            return

        def decide(roster: Roster) -> RoomRecord:
            roles.require_pinning(roster, actor_id)
            return _without(roster.room, ref)

        self._change(UNPINNED, actor_id, ref, decide)

    def drop(self, ref: MessageRef) -> None:
        """Take the pin of a deleted message away. Raises BrokerUnavailable, StoreUnavailable."""
        room = self._rooms.find(ref.room_id)
        if room is not None and not room.deleted_at and message_id(*ref) in room.pins:
            self._change(UNPINNED, NOBODY, ref, lambda roster: _without(roster.room, ref))

    def finish(self, intent: Intent) -> None:
        """Tell of a change that was interrupted, after mending what it may have left behind. Raises as `drop`."""
        kind, actor_id, text = intent.detail.split(":")
        ref = parse_message_id(text)
        if ref is not None and kind == PINNED and not self._is_there(ref):
            self.drop(ref)
        self._announcer.announce(intent, lambda: self._compose(intent.room_id, kind, actor_id, text))

    def _change(
        self, kind: str, actor_id: str, ref: MessageRef, decide: Callable[[Roster], RoomRecord]
    ) -> RoomRecord:
        text = message_id(*ref)
        before = self._rooms.roster(ref.room_id)
        if decide(before) == before.room:  # or it is refused, before anything is noted
            return before.room
        intent = Intent(NOTE, ref.room_id, ref.room_id, f"{kind}:{actor_id}:{text}", secrets.token_hex(6))
        with self._announcer.noting(intent):
            room = self._rooms.change_room(ref.room_id, decide)
        self._announcer.announce(intent, lambda: self._compose(ref.room_id, kind, actor_id, text))
        return room

    def _compose(self, room_id: str, kind: str, actor_id: str, text: str) -> DurableEvent | None:
        """Return the event with the room's present state, None where a later change has undone this one."""
        try:
            roster = self._rooms.roster(room_id)
        except RoomNotFound:
            return None
        if (text in roster.room.pins) != (kind == PINNED):
            return None
        who = {} if actor_id == NOBODY else {"userId": actor_id}
        told = room_as_told(roster, who.values() if len(roster.members) > NAMED_IN_EVENT else None)
        head, tail = split_frame(EVENT, {"roomId": room_id, "change": kind, "messageId": text, **who, "room": told})
        return DurableEvent(room_id, EVENT, room_id, roster.revision, head, tail)

    def _require_alive(self, ref: MessageRef, otherwise: Callable[[], None] = lambda: None) -> None:
        if state_of(self._messages.find(ref).body).deleted_at is not None:
            otherwise()
            raise MessageDeleted("the message was deleted", field="messageId")

    def _is_there(self, ref: MessageRef) -> bool:
        document = self._store.get(Kind.MESSAGE, message_key(ref.room_id, ref.seq))
        return document is not None and _is_alive(document.body, message_id(*ref))


def _is_alive(body: bytes, text: str) -> bool:
    state = state_of(body)
    return state.id == text and state.deleted_at is None


def _without(room: RoomRecord, ref: MessageRef) -> RoomRecord:
    text = message_id(*ref)
    if text not in room.pins:
        return room
    return msgspec.structs.replace(room, pins={each: pin for each, pin in room.pins.items() if each != text})
