"""A page of a room's messages in `seq` order: the stored ones, and those that still wait to be stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chat.broker.base import LogRead, RoomLog
from chat.model.events import document, durable_message, temp_message
from chat.model.ids import message_id
from chat.model.message import message_key
from chat.store.base import Kind, Store

READS = 20  # multi-gets for one page at most, should a room have long runs of retracted numbers
NUMBERS_PER_READ = 1000  # a run of retracted numbers is crossed in reads that double up to this


@dataclass(frozen=True, slots=True)
class Page:
    """Messages as JSON objects, oldest first, and whether there are more in the direction read."""

    messages: list[bytes]
    has_more: bool


class History:
    """Reads pages by number: one multi-get each, because a message's key is its room and seq."""

    def __init__(self, log: RoomLog, store: Store, locate: Callable[[str], LogRead]) -> None:
        self._log = log
        self._store = store
        self._locate = locate

    def page(self, room_id: str, limit: int, *, before: int | None = None, after: int | None = None) -> Page:
        """Return up to `limit` messages: the newest before `before`, or the oldest after `after`.

        With neither it is the newest page. Raises: StoreUnavailable, BrokerUnavailable, RoomNotFound.
        """
        last = self._locate(room_id).seq
        if after is not None:
            upper = last if before is None else min(last, before - 1)
            return self._forward(room_id, after + 1, upper, limit)
        return self._backward(room_id, last if before is None else min(last, before - 1), limit)

    def _forward(self, room_id: str, first: int, last: int, limit: int) -> Page:
        found: dict[int, bytes] = {}
        for size in _sizes(limit):
            if first > last or len(found) > limit:
                break
            end = min(last, first + size - 1)
            found |= self._read(room_id, first, end)
            first = end + 1
        seqs = sorted(found)
        return Page([found[seq] for seq in seqs[:limit]], first <= last or len(seqs) > limit)

    def _backward(self, room_id: str, last: int, limit: int) -> Page:
        found: dict[int, bytes] = {}
        for size in _sizes(limit):
            if last < 1 or len(found) > limit:
                break
            start = max(1, last - size + 1)
            found |= self._read(room_id, start, last)
            last = start - 1
        seqs = sorted(found)
        return Page([found[seq] for seq in seqs[-limit:]], last >= 1 or len(seqs) > limit)

    def _read(self, room_id: str, first: int, last: int) -> dict[int, bytes]:
        numbers = {message_key(room_id, seq): seq for seq in range(first, last + 1)}
        stored = self._store.get_many(Kind.MESSAGE, list(numbers))
        found = {numbers[key]: durable_message(each.body) for key, each in stored.items()}
        absent = [seq for seq in numbers.values() if seq not in found]
        if not absent:
            return found
        waiting = self._log.waiting(room_id, absent)
        for seq, each in waiting.items():
            body = document(message_id(room_id, seq, each.epoch), seq, each.members)
            found[seq] = temp_message(body)
        if len(waiting) < len(absent):
            # Stored between the two reads, or retracted: one more look tells.
            again = [message_key(room_id, seq) for seq in absent if seq not in waiting]
            stored = self._store.get_many(Kind.MESSAGE, again)
            found |= {numbers[key]: durable_message(each.body) for key, each in stored.items()}
        return found


def _sizes(limit: int) -> Iterator[int]:
    """Return how many numbers each read asks for: first one more than the page, which tells `has_more`."""
    for doubled in range(READS):
        yield max(limit + 1, min(NUMBERS_PER_READ, (limit + 1) << doubled))
