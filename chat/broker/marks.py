"""Hashes of things to do: a mark is set as often as one likes and done once, and stays until it is done."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

import redis

from chat.broker import keys, scripts
from chat.broker.client import translated


class Marks:
    """Marks in one or several hashes, as key -> field -> value."""

    def __init__(self, client: redis.Redis, names: Collection[str]) -> None:
        self._client = client
        self._names = list(names)
        self._settle = client.register_script(scripts.load("settle_marks").source)

    def take(self, limit: int) -> dict[str, dict[str, str]]:
        """Return up to `limit` marks of each hash; nothing is taken away, so a worker may die with them."""
        with translated("take marks"):
            pipeline = self._client.pipeline(transaction=False)
            for name in self._names:
                pipeline.hrandfield(name, limit, withvalues=True)
            replies = pipeline.execute()
        return {name: _pairs(reply) for name, reply in zip(self._names, replies, strict=True) if reply}

    def settle(self, done: Mapping[str, Mapping[str, str]]) -> int:
        """Take out what was done, but what was marked anew meanwhile; return how many are out."""
        with translated("settle marks"):
            pipeline = self._client.pipeline(transaction=False)
            for name, marks in done.items():
                if marks:
                    self._settle([name], [text for pair in marks.items() for text in pair], client=pipeline)
            return sum(int(reply[1]) for reply in pipeline.execute())

    def waiting(self) -> int:
        """Return how many there are."""
        with translated("count marks"):
            pipeline = self._client.pipeline(transaction=False)
            for name in self._names:
                pipeline.hlen(name)
            return sum(cast("list[int]", pipeline.execute()))


class Askings(Marks):
    """Marks in one hash, set from here; the value tells one asking from those before."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        super().__init__(client, [name])
        self._name = name

    def mark(self, what: Iterable[str]) -> None:
        """Ask for it."""
        token = secrets.token_hex(4)
        fields: Any = dict.fromkeys(what, token)
        if fields:
            with translated("mark"):
                self._client.hset(self._name, mapping=fields)


class Recounts(Askings):
    """`chat:recount`: whose counters have to be counted anew.

    `r ROOM`: something changed for the room's members. `s USER ROOM`: this user has seen something there.
    `u USER`: somebody asked for this user's counters and they were not there.
    """

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client, keys.RECOUNT)


def threads(client: redis.Redis) -> Askings:
    """Return `chat:threads`: the ids of messages whose replies have to be counted."""
    return Askings(client, keys.THREADS)


def unstored(client: redis.Redis) -> Marks:
    """Return what the store has to be told about reading."""
    return Marks(client, [keys.unstored(shard) for shard in range(keys.SHARDS)])


def by_room(marks: Mapping[str, Mapping[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Return unstored marks by room, as (user or #seq, value)."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for of_shard in marks.values():
        for field, value in of_shard.items():
            room_id, what = field.split(" ")
            found[room_id].append((what, value))
    return dict(found)


def _pairs(reply: list[Any]) -> dict[str, str]:
    """Read HRANDFIELD's reply, flat or in pairs, whichever protocol version shaped it."""
    flat = [text for pair in reply for text in pair] if reply and isinstance(reply[0], list | tuple) else reply
    texts = [text.decode() for text in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))
