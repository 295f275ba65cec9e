"""What became of a room's messages, and how to meet a drain in the middle of its work."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable

import redis

from chat.broker import keys
from tests.support.drainage import Drainage
from tests.support.wait import eventually

HEAL_S = 20  # reclaim after 1 s, lease 5 s, a look every 2 s, and a busy machine
STRAW = 20_000  # rows that each insert searches: about a millisecond


def accept(room: Drainage, count: int, per_entry: int = 10, prefix: str = "t") -> list[str]:
    """Queue so many messages; nobody sends a wake-up."""
    temp_ids = [f"{prefix}{number}" for number in range(count)]
    for start in range(0, count, per_entry):
        room.accept(*temp_ids[start : start + per_entry])
    return temp_ids


def assert_all_is_well(room: Drainage, temp_ids: list[str]) -> None:
    """Each message is told once and stored once, under numbers without a gap."""
    eventually(lambda: room.waiting() == 0, timeout_s=HEAL_S)
    assert room.told("message-confirmed") == Counter(temp_ids)
    assert room.told("message-failed") == Counter()
    documents = room.documents()
    assert sorted(documents) == list(range(1, len(temp_ids) + 1))
    assert {each["temp_id"] for each in documents.values()} == set(temp_ids)
    assert room.last_seq() == len(temp_ids)
    assert room.counts() == (len(temp_ids), len(temp_ids), 0)
    assert room.dead_letters() == 0


def await_holder(room: Drainage, pids: Iterable[int]) -> int:
    """Wait until one of these processes has entries in hand, and return it."""
    wanted = set(pids)
    return eventually(lambda: next(iter(wanted & holders(room)), 0), HEAL_S, every_s=0.002)


def holders(room: Drainage) -> set[int]:
    """Return the processes that took entries and have not finished: a consumer's name is `host-pid-random`."""
    try:
        rows = room.client.xinfo_consumers(keys.outbox(room.shard), keys.GROUP)
    except redis.ResponseError:  # no worker has made the group yet
        return set()
    return {int(row["name"].decode().split("-")[-2]) for row in rows if row["pending"]}


def drain_tasks(room: Drainage) -> int:
    """Return how many drains have run."""
    count = room.client.hget(keys.WORK_STATS, "drain_tasks")
    return int(count or 0)


def slow_down(room: Drainage) -> None:
    """Let the store take its time, so that a fault meets a drain at work."""
    database = sqlite3.connect(room.path)
    database.execute("CREATE TABLE straw AS SELECT 1 AS n")
    database.executemany("INSERT INTO straw VALUES (?)", [(n,) for n in range(STRAW)])
    database.execute("CREATE TRIGGER slow AFTER INSERT ON message BEGIN SELECT count(*) FROM straw; END")
    database.commit()
    database.close()


def edit_first(room: Drainage) -> None:
    """Edit message 1 behind the back of a worker that still holds its first version."""
    database = sqlite3.connect(room.path)
    [(key, body)] = database.execute("SELECT key, body FROM message ORDER BY key LIMIT 1").fetchall()
    edited = json.dumps({**json.loads(body), "content": "edited"})
    database.execute("UPDATE message SET body = ?, cas = cas + 1 WHERE key = ?", (edited, key))
    database.commit()
    database.close()
