"""The tasks of `seen` and `unread` by their names: in this process, and in workers that are killed at work."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery

from chat.broker import keys
from chat.broker.wake import wake_drain
from tasks import maintenance, persist, seen, unread
from tests.support.reading import USERS, ReadingScene
from tests.support.wait import eventually
from tests.support.workers import WorkerProcess


@pytest.fixture
def scene(scene: ReadingScene) -> ReadingScene:
    """One room."""
    scene.make("r1", USERS)
    return scene


def test_marks_are_stored_and_counted_when_the_tasks_run_eagerly(app: Celery, scene: ReadingScene) -> None:
    scene.send("r1", "ann", count=3)
    persist.send_drain()
    assert scene.cached("bob", "r1") == (b"3", b"3")  # the drain has the room counted anew
    scene.mark("r1", "bob", 2)
    seen.send_seen()
    unread.send_recount()
    assert scene.cursor("r1", "bob").read_seq == 2
    assert scene.cached("bob", "r1") == (b"1", b"1")
    assert scene.recounts.waiting() == scene.marks.waiting() == 0


def test_drift_is_counted_and_mended_when_counters_are_wrong(app: Celery, scene: ReadingScene) -> None:
    scene.send("r1", "ann", count=3)
    persist.send_drain()
    scene.client.set(keys.unread("bob", "r1"), 9)
    scene.client.set(keys.total_unread("cleo"), 9)
    maintenance.reconcile_unread.delay()
    assert scene.client.hget(keys.WORK_STATS, "unread_drift") == b"2"
    assert scene.cached("bob", "r1") == scene.cached("cleo", "r1") == (b"3", b"3")
    maintenance.reconcile_unread.delay()
    assert scene.client.hget(keys.WORK_STATS, "unread_drift") == b"2"
    assert scene.client.hget(keys.WORK_STATS, "unread_checked") == b"6"  # three people, twice


@pytest.mark.fault
@pytest.mark.slow
def test_no_mark_is_lost_when_workers_are_killed_in_the_middle(
    scene: ReadingScene, environ: dict[str, str], tmp_path: Path
) -> None:
    rooms = [scene.make(f"room{number}", USERS) for number in range(20)]
    for room_id in rooms:
        scene.send(room_id, "ann", count=50)
    scene.drain()
    worker = WorkerProcess(environ, tmp_path, queues="seen,unread")
    marked: set[str] = set()
    with worker:
        for step in range(1, 41):
            for room_id in rooms:
                for user_id in ("bob", "cleo"):
                    scene.mark(room_id, user_id, step)
                    marked.add(room_id)
            if step % 10 == 0:
                eventually(lambda: scene.marks.waiting() < len(rooms) * 2)  # it is at work
                worker.kill()
                worker.start(wait=False)
        eventually(lambda: scene.marks.waiting() == scene.recounts.waiting() == 0, timeout_s=60)
    for room_id in rooms:
        for user_id in ("bob", "cleo"):
            assert scene.cursor(room_id, user_id).read_seq == 40
            assert scene.cached(user_id, room_id) == (b"10", b"200")


def test_a_worker_finds_what_waits_without_beat_server_and_wake_up(
    scene: ReadingScene, environ: dict[str, str], tmp_path: Path
) -> None:
    scene.send("r1", "ann")
    scene.drain()
    scene.mark("r1", "bob", 1)
    wake_drain(scene.client, lambda: None, lease=keys.SEEN_LEASE)  # lost on its way
    with WorkerProcess(environ, tmp_path, queues="seen,unread", processes=1):
        eventually(lambda: scene.cursor("r1", "bob").read_seq == 1, timeout_s=30)
        eventually(lambda: scene.cached("bob", "r1") == (b"0", b"0"), timeout_s=30)
