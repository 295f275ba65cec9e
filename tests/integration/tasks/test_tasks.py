"""The tasks by their names, in this process: `task_always_eager`."""

from __future__ import annotations

import time

import pytest
from celery import Celery

from chat.broker import keys
from chat.broker.events import RedisEvents
from chat.broker.log import RedisRoomLog
from chat.broker.members import RedisMembers
from chat.broker.presence import RedisPresence
from chat.model.presence import Batch, Holding
from chat.model.room import RoomType
from chat.services.announcing import Announcer
from chat.services.cold_start import ColdStart
from chat.services.room_changes import RoomChanges
from tasks import maintenance, persist
from tasks.context import forget_context, work_context
from tasks.schedule import JOBS, beat_schedule
from tests.support.drainage import Drainage


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """What another worker left is taken soon."""
    return environ | {"RECLAIM_IDLE_S": "0.1"}


def test_a_drain_task_stores_and_confirms_when_it_runs_eagerly(app: Celery, room: Drainage) -> None:
    room.accept("t0", "t1")

    persist.send_drain()

    assert room.told("message-confirmed") == {"t0": 1, "t1": 1}
    assert sorted(room.documents()) == [1, 2]


def test_the_outbox_is_drained_by_the_maintenance_task_alone(app: Celery, room: Drainage) -> None:
    room.accept("t0")

    maintenance.reclaim_outbox.delay()

    assert room.told("message-confirmed") == {"t0": 1}


def test_no_drain_is_sent_when_nothing_waits(app: Celery, room: Drainage) -> None:
    maintenance.reclaim_outbox.delay()

    assert room.client.exists(keys.WORK_STATS) == 0


def test_the_counters_of_an_empty_outbox_are_corrected(app: Celery, room: Drainage) -> None:
    room.accept("t0", "t1", "t2")
    room.drain()
    room.client.hincrby(keys.stats(room.shard), "accepted", 7)

    maintenance.reclaim_outbox.delay()

    assert room.counts() == (3, 3, 0)
    assert room.client.hget(keys.WORK_STATS, "outbox_counters_mended") == b"7"


def test_the_counters_of_a_busy_outbox_are_left_alone(room: Drainage) -> None:
    room.accept("t0", "t1", "t2")

    assert room.outbox.repair_counters() == 0
    assert room.counts() == (3, 0, 0)


def test_names_of_dead_workers_are_forgotten_but_not_those_that_hold_something(
    app: Celery, room: Drainage, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.drain("gone")
    room.accept("t0")
    room.outbox.take(1)  # held by `first`

    room.client.execute_command("DEBUG", "SLEEP", "0.05")
    monkeypatch.setattr(maintenance, "CONSUMER_IDLE_MS", 20)
    maintenance.forget_consumers.delay()

    names = 2 * keys.SHARDS - 1  # each worker has one on each outbox
    assert int(room.client.hget(keys.WORK_STATS, "consumers_forgotten") or 0) == names
    rows = room.client.xinfo_consumers(keys.outbox(room.shard), keys.GROUP)
    assert [row["name"] for row in rows] == [b"first"]


@pytest.fixture
def changes(app: Celery) -> RoomChanges:
    """Changes of rooms, as a server makes them."""
    context = work_context()
    events = RedisEvents(context.client, log_length=1000)
    announcer = Announcer(events, ColdStart(RedisRoomLog(context.client), context.store).warm)
    return RoomChanges(maintenance.rooms_of(context), announcer, RedisMembers(context.client))


def test_a_change_that_a_dead_server_did_not_tell_is_told_by_the_maintenance_task_alone(
    changes: RoomChanges, room: Drainage
) -> None:
    changes.create(RoomType.GROUP, "ann", ["bob"], room_id="g", name="Us")
    intents = keys.intents(keys.shard_of("g"))
    room.ears.heard()
    for age_s in (5, 11):
        name = f"room-updated g g renamed: after{age_s}"
        room.client.zadd(intents, {name: (time.time() - age_s) * 1000})

    maintenance.announce_overdue.delay()

    channels = [channel for channel, _ in room.ears.heard()]
    assert channels == [keys.MEMBERS_CHANNEL, keys.room_channel("g")]
    assert room.client.zrange(intents, 0, -1) == [b"room-updated g g renamed: after5"]
    assert room.client.hget(keys.WORK_STATS, "changes_finished") == b"1"


def test_a_wrong_cache_is_mended_and_counted_by_the_maintenance_task(changes: RoomChanges, room: Drainage) -> None:
    changes.create(RoomType.GROUP, "ann", ["bob"], room_id="g", name="Us")
    room.client.sadd(keys.room_members("g"), "ann", "eve")

    for _ in range(2):
        maintenance.reconcile_rooms.delay()

    assert room.client.exists(keys.room_members("g")) == 0
    counted = room.client.hmget(keys.WORK_STATS, "caches_checked", "caches_mended", "memberships_mended")
    assert counted == [b"1", b"1", b"0"]


def test_a_lost_redis_does_not_fail_the_task(
    app: Celery, room: Drainage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forget_context()
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    persist.drain.apply()
    maintenance.sweep_presence.apply()

    assert "drain-interrupted" in caplog.text
    assert "presence-sweep-interrupted" in caplog.text


def test_users_of_a_dead_server_go_offline_when_the_sweep_runs(
    app: Celery, room: Drainage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    board = RedisPresence(room.client, "dead", lease_s=0)
    batch = Batch(arrivals=[Holding("ann", "Ann", ["r1"]), Holding("bob", "Bob", ["r1"])])
    board.show(batch, board.decide(batch))

    maintenance.sweep_presence.delay()
    maintenance.sweep_presence.delay()

    assert room.client.exists(keys.online("ann"), keys.online("bob"), keys.room_online("r1")) == 0
    work = room.client.hgetall(keys.WORK_STATS)
    assert (work[b"presence_sweeps"], work[b"presence_expired"]) == (b"2", b"2")
    assert caplog.text.count("presence-swept") == 1


def test_every_job_of_beat_is_a_task_with_a_queue_of_its_module(app: Celery) -> None:
    app.loader.import_default_modules()
    for job in JOBS:
        assert job.task in app.tasks
        assert app.amqp.router.route({}, job.task)["queue"].name == job.task.split(".")[1]
    assert set(beat_schedule()) == {job.task for job in JOBS}
