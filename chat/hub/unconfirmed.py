"""Every message that was shown here and is not settled yet, so that none stays a ghost.

A confirmation travels by pub/sub, which can lose it. Whoever waits too long is asked for in Redis, and then in
the store (`gateway/settler.py`); this module only keeps the account.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from msgspec import Struct, field

from chat.model.ids import message_id
from chat.model.publication import Origin, RoomEvents

REMEMBER_S = 60.0  # how long it is known that a sender was told, should its message be shown after that
REMEMBER_LIMIT = 100_000  # messages; about 150 bytes each


class Waiting(Struct, gc=False):
    """A shown message whose end is not told yet, to the room or to its sender."""

    room_id: str
    epoch: str
    seq: int
    sender_id: str
    temp_id: str
    accepted_ms: int
    frame: bytes  # its new-chat-message
    has_viewers: bool  # the room has members here who saw it
    is_sender_told: bool = False
    since: float = field(default_factory=time.monotonic)
    missing_since: float | None = None  # first time Redis and the store knew nothing of it

    @property
    def message_id(self) -> str:
        """The message's id."""
        return message_id(self.room_id, self.seq, self.epoch)


class Unconfirmed:
    """The account, by room and (epoch, seq). `is_local(user)` tells whether a sender has connections here.

    The epoch is in it because a number is given twice when Redis loses what the store had not yet: the
    message that was shown first must not be forgotten for the second.
    """

    def __init__(self, is_local: Callable[[str], bool]) -> None:
        self._is_local = is_local
        self._rooms: dict[str, dict[tuple[str, int], Waiting]] = {}
        # Senders that were told of messages which nothing here waited for: they were settled by asking, or the
        # room is still being caught up with and will show them.
        self._told: dict[str, float] = {}
        self._settled: dict[str, float] = {}  # messages of whose end the room was told by asking

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._rooms.values())

    def shown(self, events: RoomEvents, skip: int = 0) -> None:
        """Note messages that were delivered to a room's members."""
        waiting = self._rooms.setdefault(events.room_id, {})
        now = time.monotonic()
        for origin, frame in zip(events.origins[skip:], events.frames[skip:], strict=True):
            waiting[origin.epoch, origin.seq] = self._waiting(events.room_id, origin, frame, now)

    def replayed(self, events: RoomEvents, seqs: Collection[int]) -> None:
        """Note those of `seqs` in a publication: they wait to be stored, and one who came back saw them."""
        waiting = self._rooms.setdefault(events.room_id, {})
        now = time.monotonic()
        for origin, frame in zip(events.origins, events.frames, strict=True):
            if origin.seq in seqs:
                noted = self._waiting(events.room_id, origin, frame, now)
                waiting.setdefault((origin.epoch, origin.seq), noted).has_viewers = True

    def shown_to_sender(self, waiting: Waiting) -> None:
        """Note a message that only its sender saw, being in no room here."""
        if waiting.message_id not in self._told:
            self._rooms.setdefault(waiting.room_id, {}).setdefault((waiting.epoch, waiting.seq), waiting)

    def room_told(self, room_id: str, epoch: str, seqs: Iterable[int]) -> list[Waiting]:
        """Note that the room's members were told of the end of these; return those that waited."""
        waiting = self._rooms.get(room_id, {})
        told = [waiting[epoch, seq] for seq in seqs if (epoch, seq) in waiting]
        for each in told:
            each.has_viewers = False
            if each.is_sender_told or not self._is_local(each.sender_id):
                del waiting[epoch, each.seq]
        return told

    def room_told_before(self, room_id: str, epoch: str, seqs: Iterable[int]) -> set[int]:
        """Return those of whose end the room was told by asking, and which nobody was shown since."""
        if not self._settled:
            return set()
        waiting = self._rooms.get(room_id, {})
        return {
            seq for seq in seqs if (epoch, seq) not in waiting and message_id(room_id, seq, epoch) in self._settled
        }

    def sender_told(self, room_id: str, epoch: str, seqs: Iterable[int]) -> list[int]:
        """Note that the sender was told; return the seqs that it was told of before, by asking."""
        waiting, before = self._rooms.get(room_id, {}), []
        for seq in seqs:
            each = waiting.get((epoch, seq))
            if each is not None:
                each.is_sender_told = True
                if not each.has_viewers:
                    del waiting[epoch, seq]
            elif (name := message_id(room_id, seq, epoch)) in self._told:
                before.append(seq)
            else:
                _remember(self._told, name)
        return before

    def settle(self, waiting: Waiting) -> None:
        """Drop a message whose end was found out by asking and told to everyone."""
        _remember(self._told, waiting.message_id)
        if waiting.has_viewers:
            _remember(self._settled, waiting.message_id)
        of_room = self._rooms.get(waiting.room_id, {})
        place = waiting.epoch, waiting.seq
        if of_room.get(place) is waiting:
            del of_room[place]

    def overdue(self, older_than_s: float) -> dict[str, list[Waiting]]:
        """Return, by room, what waits longer than that; old memories are dropped on the way."""
        now = time.monotonic()
        _forget(self._told, now - REMEMBER_S)
        _forget(self._settled, now - REMEMBER_S)
        found: dict[str, list[Waiting]] = {}
        for room_id, waiting in list(self._rooms.items()):
            if not waiting:
                del self._rooms[room_id]
                continue
            late = [each for each in waiting.values() if each.since <= now - older_than_s]
            if late:
                found[room_id] = late
        return found

    def _waiting(self, room_id: str, origin: Origin, frame: bytes, now: float) -> Waiting:
        seq, sender_id, temp_id, accepted_ms, epoch = origin
        is_told = bool(self._told) and message_id(room_id, seq, epoch) in self._told
        return Waiting(*(room_id, epoch, seq, sender_id, temp_id, accepted_ms, frame, True, is_told, now))


def _remember(memory: dict[str, float], name: str) -> None:
    memory[name] = time.monotonic()
    if len(memory) > REMEMBER_LIMIT:
        del memory[next(iter(memory))]


def _forget(memory: dict[str, float], before: float) -> None:
    """Drop memories older than that; they stand in the order they were made."""
    while memory and (name := next(iter(memory))) and memory[name] < before:
        del memory[name]
