"""How far members have read, in Redis: cursors are raised, positions counted, numbers taken out of the count.

Every call is one round trip: one script call for each shard that is concerned. Only the count of unread messages
is one call for all shards, unless they lie in a cluster: a call costs more than the three reads it makes a room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.asking import Asking, Command, PipelineAsking, script_call
from chat.broker.client import translated
from chat.model.clock import now_ms
from chat.model.cursor import Cursor, Marked, Standing, parse_cursor

CURSORS_TTL_S = 86_400  # after a room's last mark; then they are loaded from the store again
PAIRS_PER_CALL = 300  # about 1 ms in which Redis serves nobody else

Pair = tuple[str, str]  # room, user


class RedisReading:
    """`chat:read`, `chat:removed` and what of them waits in `chat:unstored`."""

    def __init__(self, client: redis.Redis, asking: Asking | None = None, *, is_cluster: bool = False) -> None:
        self._client = client
        self._asking = asking or PipelineAsking(client)  # for what somebody waits for
        self._is_cluster = is_cluster
        self._mark = scripts.load("mark_seen")
        self._count = scripts.load("count_unread")
        self._load = client.register_script(scripts.load("load_cursors").source)
        self._remove = client.register_script(scripts.load("remove_numbers").source)
        self._note = client.register_script(scripts.load("note_mentions").source)

    def mark(self, room_id: str, user_id: str, seq: int, *, epoch: str = "", is_private: bool = False) -> Marked:
        """Raise a cursor, tell the room unless in private, and drop the counters that it makes stale."""
        room_keys = [keys.head(room_id), keys.read(room_id), keys.unstored(keys.shard_of(room_id))]
        told: list[Any] = [int(not is_private), now_ms(), keys.room_channel(room_id)]
        args = [room_id, user_id, seq, epoch, *told, CURSORS_TTL_S]
        commands = [
            script_call(self._mark, [*room_keys, keys.removed(room_id)], args),
            Command((b"DEL", keys.unread(user_id, room_id))),
            Command((b"DEL", keys.total_unread(user_id))),
        ]
        with translated("mark seen"):
            status, *numbers = self._asking.ask(commands)[0]
        return Marked(status.decode(), Standing(*numbers) if numbers else None)

    def count(self, pairs: Sequence[Pair]) -> dict[Pair, Standing | str]:
        """Return where users stand, or `cold` or `unloaded` where Redis does not know."""
        calls = self._count_calls(pairs)
        with translated("count unread"):
            replies = self._asking.ask(self._counting(calls)) if calls else []
        return _counted(calls, replies)

    def look(self, user_id: str, room_ids: Sequence[str]) -> tuple[set[str], dict[Pair, Standing | str]]:
        """Return the user's cached rooms (none: not cached), and what `count` says of these, in one round trip."""
        calls = self._count_calls([(room_id, user_id) for room_id in room_ids])
        cached = Command((b"SMEMBERS", keys.user_rooms(user_id)))
        with translated("look at unread"):
            names, *replies = self._asking.ask([cached, *self._counting(calls)])
        return {each.decode() for each in names}, _counted(calls, replies)

    def note_mentions(self, newest: Mapping[str, int]) -> None:
        """Note up to which number messages of rooms name anybody."""
        rooms: dict[int, list[str]] = defaultdict(list)
        for room_id in newest:
            rooms[keys.shard_of(room_id)].append(room_id)
        with translated("note mentions"):
            pipeline = self._client.pipeline(transaction=False)
            for same in rooms.values():
                self._note([keys.head(each) for each in same], [newest[each] for each in same], client=pipeline)
            pipeline.execute()

    def load(self, cursors: dict[Pair, Cursor]) -> None:
        """Put cursors there that the store has told; those that are there stay."""
        with translated("load cursors"):
            pipeline = self._client.pipeline(transaction=False)
            for call in _calls(list(cursors)):
                args: list[Any] = [CURSORS_TTL_S]
                for room_id, user_id in call:
                    each = cursors[room_id, user_id]
                    args += (room_id, user_id, each.read_seq, each.shown_seq, each.seen_ms)
                room_keys = [keys.unstored(keys.shard_of(call[0][0])), *(keys.read(room) for room, _ in call)]
                self._load(room_keys, args, client=pipeline)
            pipeline.execute()

    def cursors(self, room_id: str, user_ids: Sequence[str]) -> dict[str, Cursor]:
        """Return those cursors of a room that are in Redis."""
        with translated("read cursors"):
            found: Any = self._client.hmget(keys.read(room_id), list(user_ids)) if user_ids else []
        told = zip(user_ids, found, strict=True)
        return {user_id: parse_cursor(text.decode()) for user_id, text in told if text is not None}

    def remove(self, room_id: str, seqs: Collection[int]) -> int | None:
        """Take numbers out of the count; return how many were in it, None when the room is cold."""
        room_keys = [keys.head(room_id), keys.removed(room_id), keys.unstored(keys.shard_of(room_id))]
        with translated("remove numbers"):
            status, *news = self._remove(room_keys, [room_id, *seqs])
        return int(news[0]) if status == b"removed" else None

    def removed_of(self, room_id: str) -> set[int]:
        """Return all numbers of a room that are out of the count."""
        with translated("read removed numbers"):
            found: Any = self._client.zrange(keys.removed(room_id), 0, -1)
        return {int(seq) for seq in found}

    def _count_calls(self, pairs: Sequence[Pair]) -> list[list[Pair]]:
        return list(_calls(pairs) if self._is_cluster else _chunks(pairs))

    def _counting(self, calls: Iterable[list[Pair]]) -> list[Command]:
        return [
            script_call(
                self._count,
                [key for room, _ in call for key in (keys.head(room), keys.read(room), keys.removed(room))],
                [user for _, user in call],
            )
            for call in calls
        ]


def _calls(pairs: Sequence[Pair]) -> Iterable[list[Pair]]:
    """Group pairs by shard, because a script serves one."""
    by_shard: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_shard[keys.shard_of(pair[0])].append(pair)
    for same in by_shard.values():
        yield from _chunks(same)


def _chunks(pairs: Sequence[Pair]) -> Iterable[list[Pair]]:
    for start in range(0, len(pairs), PAIRS_PER_CALL):
        yield list(pairs[start : start + PAIRS_PER_CALL])


def _counted(calls: Iterable[list[Pair]], replies: Iterable[Any]) -> dict[Pair, Standing | str]:
    return {
        pair: _answer(text.decode())
        for call, reply in zip(calls, replies, strict=True)
        for pair, text in zip(call, reply, strict=True)
    }


def _answer(text: str) -> Standing | str:
    if not text[0].isdigit():
        return text
    return Standing(*(int(number) for number in text.split(" ")))
