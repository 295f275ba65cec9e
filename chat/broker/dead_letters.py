"""After a letter was re-driven its message is accepted anew; dead letters are also read and dropped here.

Re-driving repeats without harm at any point. The failed mark becomes a retryable one, which only allows what
an operator just asked for; accepting under the same temp id happens once, so a second try finds a duplicate;
and only then the letter goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import redis

from chat.broker import keys, scripts
from chat.broker.client import translated

PAGE = 500  # letters read at once


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up; `letter_id` is `SHARD:ENTRY`. Unreadable ones have no room."""

    letter_id: str
    room_id: str
    sender_id: str
    temp_id: str
    accepted_ms: int
    members: bytes
    code: str
    text: str
    at_ms: int


class DeadLetters:
    """All shards' dead letters."""

    def __init__(self, client: redis.Redis, *, outbox_limit: int, log_length: int, give_up_s: float) -> None:
        self._client = client
        self._outbox_limit = outbox_limit
        self._log_length = log_length
        self._give_up_s = give_up_s
        self._forgive = client.register_script(scripts.load("forgive_failure").source)
        self._accept = client.register_script(scripts.load("accept_messages").source)

    def count(self) -> int:
        """Return how many letters there are."""
        with translated("count dead letters"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                pipeline.xlen(keys.dead(shard))
            return sum(pipeline.execute())

    def read(self, after: str = "") -> Iterator[DeadLetter]:
        """Return all letters, or those behind one, shard by shard, the oldest first."""
        first, entry = _place(after) or (0, "")
        for shard in range(first, keys.SHARDS):
            start = f"({entry}" if entry and shard == first else "-"
            while entries := self._page(shard, start):
                for entry_id, fields in entries:
                    start = f"({entry_id.decode()}"
                    yield _letter(shard, entry_id, fields)

    def find(self, letter_id: str) -> DeadLetter | None:
        """Return one letter."""
        place = _place(letter_id)
        if place is None:
            return None
        shard, entry_id = place
        with translated("read a dead letter"):
            entries = cast("Any", self._client.xrange(keys.dead(shard), entry_id, entry_id))
        return _letter(shard, *entries[0]) if entries else None

    def drop(self, letter_id: str) -> bool:
        """Remove a letter for good; return False when there is none."""
        place = _place(letter_id)
        with translated("drop a dead letter"):
            return place is not None and bool(self._client.xdel(keys.dead(place[0]), place[1]))

    def redrive(self, letter: DeadLetter, warm: Callable[[str], object]) -> str:
        """Accept the letter's message anew and drop the letter.

        Returns `accepted`; `superseded` when its sender sent it again meanwhile (the letter goes too); or,
        with the letter kept, `overloaded` or `unreadable`. `warm(room)` starts a room's numbering.
        """
        if not letter.room_id:
            return "unreadable"
        with translated("redrive a dead letter"):
            reply = self._accept_again(letter)
        if reply[0] == b"cold":
            warm(letter.room_id)
            with translated("redrive a dead letter"):
                reply = self._accept_again(letter)
        outcome: str = reply[2].decode().partition(" ")[0] if reply[0] == b"ok" else reply[0].decode()
        if outcome in ("accepted", "duplicate"):
            self.drop(letter.letter_id)
        return "superseded" if outcome == "duplicate" else outcome

    def _page(self, shard: int, start: str) -> Any:
        with translated("read dead letters"):
            return self._client.xrange(keys.dead(shard), start, "+", count=PAGE)

    def _accept_again(self, letter: DeadLetter) -> Any:
        room_id, shard = letter.room_id, keys.shard_of(letter.room_id)
        dedupe = keys.dedupe(room_id, letter.sender_id, letter.temp_id)
        self._forgive([dedupe])
        now_s = time.time()
        confirm_by = datetime.fromtimestamp(now_s + self._give_up_s, UTC).isoformat(timespec="milliseconds")
        room_keys = [keys.head(room_id), keys.log(room_id), keys.outbox(shard), keys.stats(shard)]
        return self._accept(
            [*room_keys, keys.partial(shard), dedupe],
            [
                *(room_id, keys.room_channel(room_id), self._outbox_limit, self._log_length),
                *(letter.sender_id, letter.temp_id, int(now_s * 1000)),
                *(confirm_by.replace("+00:00", "Z"), letter.members),
            ],
        )


def _place(letter_id: str) -> tuple[int, str] | None:
    shard, _, entry_id = letter_id.partition(":")
    milliseconds, _, number = entry_id.partition("-")
    if not all(part.isascii() and part.isdigit() for part in (shard, milliseconds, number)):
        return None
    return (int(shard), entry_id) if int(shard) < keys.SHARDS else None


def _letter(shard: int, entry_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    origin, _, members = fields[b"m"].partition(b"\n")
    room_id = fields[b"room"].decode()
    sender_id, temp_id, accepted_ms = origin.decode().split(" ") if room_id else ("", "", "0")
    return DeadLetter(
        f"{shard}:{entry_id.decode()}",
        *(room_id, sender_id, temp_id, int(accepted_ms)),
        members if room_id else fields[b"m"],
        *(fields[b"code"].decode(), fields[b"text"].decode(), int(fields[b"at"])),
    )
