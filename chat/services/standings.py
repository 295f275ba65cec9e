"""Where a user stands in all rooms, in one round trip where those are the same as the last time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from chat.model.cursor import Standing
from chat.services.cursors import Pair
from chat.services.unread import Unread

REMEMBERED = 20_000  # users, each with the names of the rooms: 100 bytes a room


class Looking(Protocol):
    """What the broker knows of a user's rooms and positions."""

    def look(self, user_id: str, room_ids: Sequence[str]) -> tuple[set[str], dict[Pair, Standing | str]]: ...


class Standings:
    """Asks for the rooms that a user had the last time while it asks for the user's rooms.

    What is remembered is only ever a guess: it counts when the cache says the same in that round trip.
    `rooms_of(user)` tells a user's rooms from their cache, and fills it.
    """

    def __init__(self, looking: Looking, unread: Unread, rooms_of: Callable[[str], Collection[str]]) -> None:
        self._looking = looking
        self._unread = unread
        self._rooms_of = rooms_of
        self._guesses: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def of(self, user_id: str) -> dict[Pair, Standing]:
        """Return where the user stands in each room. Raises BrokerUnavailable, StoreUnavailable."""
        guess = self._guesses.get(user_id)
        if guess:
            self._guesses.move_to_end(user_id)
            rooms, found = self._looking.look(user_id, guess)
            if rooms == set(guess):
                return self._unread.completed(found)
        rooms = set(self._rooms_of(user_id))
        self._remember(user_id, tuple(sorted(rooms)))
        return self._unread.of((room_id, user_id) for room_id in rooms)

    def _remember(self, user_id: str, rooms: tuple[str, ...]) -> None:
        self._guesses[user_id] = rooms
        self._guesses.move_to_end(user_id)
        if len(self._guesses) > REMEMBERED:
            self._guesses.popitem(last=False)
