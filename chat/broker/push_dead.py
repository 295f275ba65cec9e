"""Notifications that were given up, kept for an operator: listed, sent again, dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.broker.push_jobs import PushJobs, letter_of
from chat.model.device import DeviceKind
from chat.model.push import PushLetter

PAGE = 500  # letters read at once


class PushDeadLetters:
    """All providers' dead letters; those that are re-driven become jobs again."""

    def __init__(self, client: redis.Redis, jobs: PushJobs) -> None:
        self._client = client
        self._jobs = jobs

    def count(self) -> int:
        """Return how many letters there are."""
        with translated("count push letters"):
            pipeline = self._client.pipeline(transaction=False)
            for kind in DeviceKind:
                pipeline.xlen(keys.push_dead(kind))
            return sum(pipeline.execute())

    def read(self, kind: DeviceKind | None = None, limit: int = PAGE, cursor: str = "") -> list[PushLetter]:
        """Return up to `limit` letters, the oldest of each provider first, behind the one that `cursor` names."""
        kinds = list(DeviceKind) if kind is None else [kind]
        place = _place(cursor)
        if place is not None and place[0] in kinds:
            kinds = kinds[kinds.index(place[0]) :]
        found: list[PushLetter] = []
        for each in kinds:
            start = f"({place[1]}" if place is not None and place[0] == each else "-"
            found += self._page(each, start, "+", limit - len(found))
            if len(found) >= limit:
                break
        return found

    def all(self) -> Iterator[PushLetter]:
        """Return every letter."""
        cursor = ""
        while page := self.read(limit=PAGE, cursor=cursor):
            yield from page
            cursor = page[-1].letter_id

    def find(self, letter_id: str) -> PushLetter | None:
        """Return one letter."""
        place = _place(letter_id)
        if place is None:
            return None
        found = self._page(place[0], place[1], place[1], 1)
        return found[0] if found else None

    def redrive(self, letter_id: str) -> bool:
        """Have the device notified after all, and drop the letter; False when there is none.

        Safe to repeat: whether the message was read or told meanwhile is found out when it is sent.
        """
        letter = self.find(letter_id)
        if letter is None:
            return False
        self._jobs.note({letter.target: letter.seq}, is_forced=True)
        self.drop(letter_id)
        return True

    def drop(self, letter_id: str) -> bool:
        """Remove a letter for good; False when there is none."""
        place = _place(letter_id)
        with translated("drop a push letter"):
            return place is not None and bool(self._client.xdel(keys.push_dead(place[0]), place[1]))

    def _page(self, kind: DeviceKind, start: str, end: str, limit: int) -> list[PushLetter]:
        if limit < 1:
            return []
        with translated("read push letters"):
            entries: Any = self._client.xrange(keys.push_dead(kind), start, end, count=limit)
        return [letter_of(kind, *entry) for entry in entries]


def _place(letter_id: str) -> tuple[DeviceKind, str] | None:
    kind, _, entry_id = letter_id.partition(":")
    milliseconds, _, number = entry_id.partition("-")
    if kind not in tuple(DeviceKind) or not all(
        part.isascii() and part.isdigit() for part in (milliseconds, number)
    ):
        return None
    return DeviceKind(kind), entry_id
