"""Who is typing in the rooms that are followed here, each until a word of it is 3 s old."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

TYPING_S = 3.0  # without a renewal, as the public key
SHOWN_PER_ROOM = 20  # nobody reads more names, and each costs a delivery to everyone in the room


class Typist(NamedTuple):
    """Somebody who types; `frame` is the newest `chat-user-typing` that said so."""

    room_id: str
    user_id: str
    frame: bytes


class Typists:
    """All of them live equally long after their last word, so the first to end is always the first in order."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str], tuple[float, Typist]] = OrderedDict()
        self._in_room: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._until)

    def note(self, typist: Typist, now: float) -> bool:
        """Note that somebody types, at a monotonic time; False where enough people do already."""
        place = typist.room_id, typist.user_id
        if place in self._until:
            self._until.move_to_end(place)
        elif self._in_room.get(typist.room_id, 0) >= SHOWN_PER_ROOM:
            return False
        else:
            self._in_room[typist.room_id] = self._in_room.get(typist.room_id, 0) + 1
        self._until[place] = now + TYPING_S, typist
        return True

    def has(self, room_id: str, user_id: str) -> bool:
        """Tell whether somebody is known to type."""
        return (room_id, user_id) in self._until

    def end(self, room_id: str, user_id: str) -> Typist | None:
        """Forget somebody; None when that one did not type."""
        found = self._until.pop((room_id, user_id), None)
        if found is None:
            return None
        left = self._in_room[room_id] - 1
        if left:
            self._in_room[room_id] = left
        else:
            del self._in_room[room_id]
        return found[1]

    def among(self, room_id: str, user_ids: Iterable[str]) -> list[Typist]:
        """Forget those of these people who type in the room, and return them."""
        if room_id not in self._in_room:
            return []
        ended = (self.end(room_id, user_id) for user_id in user_ids)
        return [each for each in ended if each is not None]

    def expired(self, now: float) -> list[Typist]:
        """Forget those of whom nothing was heard for long enough, and return them."""
        found: list[Typist] = []
        while self._until:
            until, typist = next(iter(self._until.values()))
            if until > now:
                break
            self.end(typist.room_id, typist.user_id)
            found.append(typist)
        return found
