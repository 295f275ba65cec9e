"""Real workers that are killed, frozen and cut off: each message is confirmed once, history is complete."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from chat.broker import keys
from chat.broker.wake import wake_drain
from tests.support.drainage import Drainage
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually
from tests.support.workers import WorkerProcess

pytestmark = pytest.mark.fault
HEAL_S = 20  # reclaim after 1 s, lease 5 s, a look every 2 s, and a busy machine


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyProcess]:
    with ValkeyProcess() as server:
        yield server


@pytest.fixture
def room(server: ValkeyProcess, tmp_path: Path) -> Iterator[Drainage]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        room = Drainage(client, tmp_path)
        yield room
        room.close()


@pytest.fixture
def environ(server: ValkeyProcess, room: Drainage) -> dict[str, str]:
    """Settings as in production, but for a shorter wait before the dead are inherited."""
    return {
        "REDIS_URL": server.url,
        "CELERY_BROKER_URL": server.url.replace("/0", "/1"),
        "STORE_URL": f"sqlite:///{room.path}",
        "AUTH_MODE": "dev",
        "RECLAIM_IDLE_S": "1",
    }


@pytest.fixture
def worker(environ: dict[str, str], tmp_path: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess(environ, tmp_path) as worker:
        yield worker


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
    assert sorted(room.documents()) == list(range(1, len(temp_ids) + 1))
    assert room.last_seq() == len(temp_ids)


def await_confirmed(room: Drainage, least: int) -> None:
    eventually(lambda: room.counts()[1] >= least, timeout_s=HEAL_S, every_s=0.002)


def test_messages_are_drained_without_a_wake_up_a_server_or_beat(worker: WorkerProcess, room: Drainage) -> None:
    temp_ids = accept(room, 25)

    assert_all_is_well(room, temp_ids)
    assert worker.stop() == 0
    assert "Traceback" not in worker.log


def test_each_message_is_confirmed_once_when_the_whole_worker_is_killed_three_times(
    worker: WorkerProcess, room: Drainage
) -> None:
    temp_ids: list[str] = []
    for round_number in range(3):
        slow_down(room)
        temp_ids += accept(room, 500, prefix=f"r{round_number}.")
        await_confirmed(room, len(temp_ids) - 400)
        worker.kill()
        assert room.waiting() > 0, "it was killed too late to prove anything"
        worker.start(wait=False)

    assert_all_is_well(room, temp_ids)


def test_a_batch_is_finished_by_another_when_the_child_that_holds_it_is_killed(
    worker: WorkerProcess, room: Drainage
) -> None:
    with room.outage():
        temp_ids = accept(room, 50)
        holder = eventually(lambda: holding_pid(room), timeout_s=HEAL_S) or 0
        os.kill(holder, signal.SIGKILL)
        eventually(lambda: holder not in worker.children, timeout_s=HEAL_S)

    assert_all_is_well(room, temp_ids)


def test_a_frozen_worker_neither_stops_the_others_nor_tells_anything_twice(
    worker: WorkerProcess, environ: dict[str, str], room: Drainage, tmp_path: Path
) -> None:
    with room.outage():
        temp_ids = accept(room, 30)
        eventually(lambda: holding_pid(room), timeout_s=HEAL_S)
        worker.freeze()
    with WorkerProcess(environ, tmp_path, name="second"):
        assert_all_is_well(room, temp_ids)
        edit_first(room)
        worker.thaw()
        temp_ids += accept(room, 10, prefix="later")
        assert_all_is_well(room, temp_ids)
        assert worker.stop() == 0  # what it had in hand when it was frozen, it has tried by now
    assert_all_is_well(room, temp_ids)
    assert room.documents()[1]["content"] == "edited"


def test_messages_are_drained_when_the_broker_lost_its_queues(
    worker: WorkerProcess, environ: dict[str, str], room: Drainage
) -> None:
    temp_ids: list[str] = []
    with redis.Redis.from_url(environ["CELERY_BROKER_URL"]) as broker:
        for round_number in range(2):
            # the wake-up is gone, and the lease says that it is on its way
            eventually(lambda: wake_drain(room.client, broker.flushdb))
            temp_ids += accept(room, 20, prefix=f"r{round_number}.")
            await_confirmed(room, len(temp_ids))

    assert_all_is_well(room, temp_ids)


def test_a_worker_goes_on_when_redis_was_restarted(environ: dict[str, str], tmp_path: Path) -> None:
    with ValkeyProcess(aof=True) as own, redis.Redis.from_url(own.url) as client:
        room = Drainage(client, tmp_path / "own")
        settings = {**environ, "REDIS_URL": own.url, "STORE_URL": f"sqlite:///{room.path}"}
        settings["CELERY_BROKER_URL"] = own.url
        with WorkerProcess(settings, tmp_path, name="own"):
            accept(room, 5, prefix="before")
            eventually(lambda: room.waiting() == 0, timeout_s=HEAL_S)
            own.restart()
            temp_ids = accept(room, 5, prefix="after")
            eventually(lambda: room.waiting() == 0, timeout_s=HEAL_S)
        assert {each["temp_id"] for each in room.documents().values()} >= set(temp_ids)
        assert room.counts() == (10, 10, 0)
        room.store.close()


def holding_pid(room: Drainage) -> int | None:
    """Return the process that has entries in hand: its consumer's name is `host-pid-random`."""
    try:
        rows = room.client.xinfo_consumers(keys.outbox(room.shard), keys.GROUP)
    except redis.ResponseError:
        return None
    held = [row["name"].decode() for row in rows if row["pending"]]
    return int(held[0].split("-")[-2]) if held else None


def slow_down(room: Drainage) -> None:
    """Let the store take its time, so that a kill meets a drain at work: each insert searches a table."""
    database = sqlite3.connect(room.path)
    database.execute("CREATE TABLE IF NOT EXISTS straw AS SELECT 1 AS n")
    if database.execute("SELECT count(*) FROM straw").fetchone()[0] < 2:
        database.executemany("INSERT INTO straw VALUES (?)", [(n,) for n in range(20_000)])
    database.execute(
        "CREATE TRIGGER IF NOT EXISTS slow AFTER INSERT ON message BEGIN SELECT count(*) FROM straw; END"
    )
    database.commit()
    database.close()


def edit_first(room: Drainage) -> None:
    """Edit message 1 while the frozen worker still holds its first version."""
    database = sqlite3.connect(room.path)
    [(key, body)] = database.execute("SELECT key, body FROM message ORDER BY key LIMIT 1").fetchall()
    edited = json.dumps({**json.loads(body), "content": "edited"})
    database.execute("UPDATE message SET body = ?, cas = cas + 1 WHERE key = ?", (edited, key))
    database.commit()
    database.close()
