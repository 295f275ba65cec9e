"""After a publication came through here, every local member of the room was handed it once, in order.

Before: the relay read it from Redis. After: the writers send it. The hub knows no network: it keeps, for each
room with local members, who they are and up to which offset they were served, and tells the relay when a
publication does not follow on (`Gap`), so that the relay reads what is missing from the room's log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto
from time import monotonic
from typing import Any, Protocol

from chat.hub.room import Listener, Room
from chat.hub.typing import Typist, Typists
from chat.hub.unconfirmed import Unconfirmed, Waiting
from chat.model.events import BatchConfirmed, typing_stopped
from chat.model.publication import EVERYBODY, NOBODY, Confirmed, Passing, RoomEvents
from chat.model.seen import SeenTold


class Fanout(Protocol):
    """Writes whole frames to many; `droppable` ones may be left out for a slow reader."""

    def __call__(self, writers: Iterable[Any], data: bytes, droppable: bool = False, /) -> None: ...


Framing = Callable[[bytes], bytes]


class Applied(Enum):
    """What became of a publication."""

    DELIVERED = auto()  # or known already
    GAP = auto()  # something before it is missing
    FOREIGN = auto()  # it belongs to another epoch than the one the members were served from


class Hub:
    """All rooms and users that have connections in this process."""

    def __init__(self, fanout: Fanout, framing: Framing, node_id: str = "") -> None:
        self.rooms: dict[str, Room] = {}
        self.users: dict[str, dict[Listener, None]] = {}
        self.unconfirmed = Unconfirmed(self.has_user)
        self.typists = Typists()
        self._fanout = fanout
        self._framing = framing
        self._node_id = node_id
        self._touched: list[Room] = []
        self.deliveries = 0
        self.on_cut: Callable[[str, str], object] = lambda _user_id, _room_id: None

    def add_user(self, listener: Listener) -> bool:
        """Note a connection; return True when it is its user's first here."""
        listeners = self.users.setdefault(listener.user_id, {})
        listeners[listener] = None
        return len(listeners) == 1

    def remove_user(self, listener: Listener) -> None:
        """Forget a connection; the user's entry stays, empty, until the relay unsubscribes."""
        self.users.get(listener.user_id, {}).pop(listener, None)

    def has_user(self, user_id: str) -> bool:
        """Tell whether the user has a connection here."""
        return bool(self.users.get(user_id))

    def apply(self, room: Room, events: RoomEvents) -> Applied:
        """Deliver the events of a publication that are news, if they follow on."""
        if events.epoch != room.epoch:
            return Applied.FOREIGN
        last = events.first_offset + len(events.frames) - 1
        if last <= room.offset:
            return Applied.DELIVERED
        if events.first_offset > room.offset + 1:
            return Applied.GAP
        self._deliver(room, events, skip=room.offset + 1 - events.first_offset)
        room.offset = last
        return Applied.DELIVERED

    def confirm(self, room: Room, confirmed: Confirmed) -> list[Waiting]:
        """Tell the room that messages are stored, each sender's own left out; return what waited for it.

        It is not told again what it was told by asking, before the confirmation came.
        """
        if confirmed.epoch != room.epoch:
            return []
        seqs = [seq for seq, _ in confirmed.messages]
        before = self.unconfirmed.room_told_before(room.room_id, confirmed.epoch, seqs)
        told = self.unconfirmed.room_told(room.room_id, confirmed.epoch, seqs)
        news = [each for each in confirmed.messages if each[0] not in before] if before else confirmed.messages
        if news:
            self.tell_confirmed(room, news)
        return told

    def tell_confirmed(self, room: Room, messages: Iterable[tuple[int, str]]) -> None:
        """Send `messages-confirmed` for (seq, sender) pairs to everyone in the room but the senders themselves."""
        self.flush_room(room)
        batch = BatchConfirmed(room.room_id, messages)
        own = {each for sender in batch.senders for each in self.users.get(sender, ()) if each in room.listeners}
        others = room.writers if not own else [each.writer for each in room.listeners if each not in own]
        frame = self._framing(batch.frame())
        self._fanout(others, frame)
        for buffer in room.joining.values():
            buffer.append((0, frame))
        for listener in own:
            rest = batch.frame(without=listener.user_id)
            if rest:
                self._fanout((listener.writer,), self._framing(rest))

    def tell_user(self, user_id: str, frames: Iterable[bytes]) -> None:
        """Send frames to every connection of a user."""
        listeners = self.users.get(user_id)
        if listeners:
            self._fanout([each.writer for each in listeners], b"".join([self._framing(each) for each in frames]))

    def tell_user_outside(self, user_id: str, room_id: str | None, frame: bytes) -> None:
        """Send a frame to a user's connections, but those that are in that room."""
        room = self.rooms.get(room_id) if room_id is not None else None
        listeners = self.users.get(user_id, ())
        writers = [each.writer for each in listeners if room is None or each not in room.listeners]
        if writers:
            self._fanout(writers, self._framing(frame))

    def pass_on(self, room: Room, passing: Passing) -> None:
        """Tell the room what is not kept: that somebody types or has seen something."""
        if isinstance(passing, SeenTold):
            if not room.is_empty:  # its frame is made here, once for all of the room
                self.tell_others(room, None, passing.frame(room.room_id))
        elif not passing.node_id or passing.node_id != self._node_id:
            self.hear_typing(Typist(room.room_id, passing.user_id, passing.frame), is_on=passing.is_on)

    def hear_typing(self, typist: Typist, *, is_on: bool) -> None:
        """Tell the others in a room, where it is followed here, that somebody types or does not any more."""
        room = self.rooms.get(typist.room_id)
        if room is None:
            return
        if is_on:
            is_news = self.typists.note(typist, monotonic())
        else:
            is_news = self.typists.end(typist.room_id, typist.user_id) is not None
        if is_news:
            self.tell_others(room, typist.user_id, typist.frame, is_droppable=True)

    def end_typing(self, typists: Iterable[Typist]) -> None:
        """Tell rooms that these people do not type any more."""
        for each in typists:
            room = self.rooms.get(each.room_id)
            if room is not None:
                self.tell_others(room, each.user_id, typing_stopped(each.frame), is_droppable=True)

    def tell_others(
        self,
        room: Room,
        sender_id: str | None,
        frame: bytes,
        offset: int = 0,
        *,
        is_droppable: bool = False,
    ) -> None:
        """Send a frame to everyone in the room but one user's connections."""
        self.flush_room(room)
        framed = self._framing(frame)
        others = [each.writer for each in room.listeners if each.user_id != sender_id]
        self._fanout(others, framed, is_droppable)
        for listener, buffer in room.joining.items():
            if listener.user_id != sender_id:
                buffer.append((offset, framed))

    def cut(self, room: Room, whom: str) -> list[Listener]:
        """Take a user's connections, or all, out of a room, after what was delivered so far; return them."""
        if whom == NOBODY:
            return []
        gone = [each for each in (*room.listeners, *room.joining) if whom in (EVERYBODY, each.user_id)]
        if gone:
            self.flush_room(room)
        for listener in gone:
            room.remove(listener)
            listener.rooms.discard(room.room_id)
            self.on_cut(listener.user_id, room.room_id)
        return gone

    def tell(self, listeners: Iterable[Listener], frame: bytes) -> None:
        """Send a frame to some connections."""
        self._fanout([each.writer for each in listeners], self._framing(frame))

    def flush(self) -> None:
        """Hand what this turn delivered to the writers: one write per room and member."""
        touched, self._touched = self._touched, []
        for room in touched:
            self.flush_room(room)

    def flush_room(self, room: Room) -> None:
        """Hand one room's frames over now, because something must come after them."""
        if room.outgoing:
            data, count = b"".join(room.outgoing), len(room.outgoing)
            room.outgoing = []
            writers = room.writers
            self.deliveries += count * len(writers)
            self._fanout(writers, data)

    def _deliver(self, room: Room, events: RoomEvents, skip: int) -> None:
        if events.kind == "retracted":
            origin = events.origins[0]
            self.tell_others(room, origin.sender_id, events.frames[0], events.first_offset)
            self.unconfirmed.room_told(room.room_id, origin.epoch, [origin.seq])
            return
        if not room.outgoing:
            self._touched.append(room)
        framed = [self._framing(frame) for frame in events.frames[skip:]]
        room.outgoing += framed
        for buffer in room.joining.values():
            buffer += enumerate(framed, events.first_offset + skip)
        if events.kind == "event":
            self.cut(room, events.cut)
            return
        room.last_seq = events.origins[-1].seq
        self.unconfirmed.shown(events, skip)
        if self.typists:  # a message ends its sender's typing
            self.end_typing(self.typists.among(room.room_id, [each.sender_id for each in events.origins[skip:]]))
