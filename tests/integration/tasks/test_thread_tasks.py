"""Threads and pins by the names of their tasks: in this process, and in a worker that nobody wakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery

from chat.broker import keys
from chat.broker.base import Intent
from chat.model.amendments import deleted
from chat.model.ids import MessageRef, parse_message_id
from chat.services import announcing
from chat.services.pins import NOTE
from chat.store.base import Kind
from tasks import maintenance, persist, threads
from tests.support.answering import ROOM, AnsweringScene
from tests.support.wait import eventually
from tests.support.workers import WorkerProcess

NAMES = (b"message-deleted", b'"unpinned"', b'"pinned"')  # newest first


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[AnsweringScene]:
    with redis.Redis.from_url(redis_url) as client:
        scene = AnsweringScene(client, tmp_path, ("ann", "bob"))
        yield scene
        scene.close()


def ref_of(scene: AnsweringScene, seq: int) -> MessageRef:
    ref = parse_message_id(scene.id_of(ROOM, seq))
    assert ref is not None
    return ref


def test_a_drain_has_replies_counted(app: Celery, scene: AnsweringScene) -> None:
    scene.say("ann")
    scene.say("bob", scene.id_of(ROOM, 1))
    persist.send_drain()
    assert scene.stored()[1]["reply_count"] == 1
    assert scene.threads.waiting() == 0
    threads.send_threads()
    assert scene.stored()[1]["revision"] == 1


def test_a_deletion_whose_server_died_is_unpinned_and_told(
    app: Celery, scene: AnsweringScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.say("ann")
    persist.send_drain()
    ref = ref_of(scene, 1)
    scene.pins.pin(ROOM, "ann", ref)
    scene.telling.intend("message-deleted", ref)
    document = scene.messages.find(ref)
    scene.store.replace(Kind.MESSAGE, document.key, deleted(document.body, "now"), document.cas)
    scene.telling.announcer.intend(Intent(NOTE, ROOM, ROOM, f"pinned:ann:{scene.id_of(ROOM, 1)}", "x"))
    monkeypatch.setattr(announcing.Sweep.run, "__defaults__", (-1,))
    maintenance.announce_overdue.delay()
    told = [payload.split(b"\n")[2] for payload in scene.log.newest(ROOM, 1_000) if payload.startswith(b"event")]
    assert [next(name for name in NAMES if name in each) for each in told] == list(NAMES)
    room = scene.rooms.find(ROOM)
    assert room is not None
    assert room.pins == {}
    assert scene.client.zcard(keys.intents(keys.shard_of(ROOM))) == 0


def test_a_worker_sees_by_itself_what_is_to_be_counted(
    environ: dict[str, str], scene: AnsweringScene, tmp_path: Path
) -> None:
    scene.say("ann")
    scene.say("bob", scene.id_of(ROOM, 1))
    scene.drain()  # this one wakes nobody
    assert scene.threads.waiting() == 1
    with WorkerProcess(environ, tmp_path, queues="maintenance", processes=1):
        eventually(lambda: scene.stored()[1].get("reply_count") == 1, 30)
        eventually(lambda: scene.threads.waiting() == 0)
