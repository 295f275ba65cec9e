"""Threads and mentions between a real Valkey and a real store: what is shown is what is stored, come what may."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chat.broker import keys
from chat.errors import StoreUnavailable
from chat.model.ids import parse_message_id
from chat.services.batch_notes import BatchNotes
from chat.services.settle import Settled
from chat.store.base import Kind, Unavailable
from tests.support.answering import ROOM, AnsweringScene

USERS = ("ann", "bob", "cleo")


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[AnsweringScene]:
    with redis.Redis.from_url(redis_url) as client:
        scene = AnsweringScene(client, tmp_path, USERS)
        yield scene
        scene.close()


def shown(scene: AnsweringScene, seq: int) -> tuple[Any, Any]:
    message = scene.stored()[seq]
    return message.get("reply_count"), message.get("last_reply_at")


def updates(scene: AnsweringScene) -> int:
    return sum(b"message-updated" in each for each in scene.log.newest(ROOM, 1_000))


def test_a_message_is_told_once_however_many_replies_a_batch_has(scene: AnsweringScene) -> None:
    scene.say("ann")
    scene.drain()
    for _ in range(30):
        scene.say("bob", scene.id_of(ROOM, 1))
    scene.drain()
    scene.tell_threads.run()
    assert shown(scene, 1) == (30, scene.stored()[31]["created_at"])
    assert updates(scene) == 1
    scene.threads.mark([scene.id_of(ROOM, 1)])  # once more, and nothing is new
    scene.tell_threads.run()
    assert (updates(scene), scene.stored()[1]["revision"]) == (1, 1)
    assert scene.threads.waiting() == 0


def test_a_batch_costs_one_round_trip_more_for_its_replies_and_none_without(scene: AnsweringScene) -> None:
    scene.say("ann")
    scene.say("ann", scene.id_of(ROOM, 1), ("bob",))
    scene.drain()

    def batch(**what: Any) -> int:
        for _ in range(20):
            scene.say("ann", **what)
        before = scene.store.round_trips
        scene.drain()
        return scene.store.round_trips - before

    plain = batch()
    assert batch(reply_to=scene.id_of(ROOM, 1), named=("bob", "cleo")) == plain + 1


def commands_of(scene: AnsweringScene) -> Counter[str]:
    scene.client.config_resetstat()
    scene.drain()
    stats: Any = scene.client.info("commandstats")
    return Counter(
        {name: row["calls"] for name, row in stats.items() if "config" not in name and "info" not in name}
    )


def test_a_batch_costs_one_command_more_for_all_its_replies(scene: AnsweringScene) -> None:
    scene.say("ann")
    scene.drain()
    costs = []
    for parent in (None, scene.id_of(ROOM, 1)):
        for _ in range(20):
            scene.say("ann", parent)
        costs.append(commands_of(scene))
    extra = costs[1] - costs[0]
    assert extra.total() == 1, extra
    assert extra["cmdstat_hset"] == 1


def test_what_the_store_can_not_note_is_not_confirmed_yet(
    scene: AnsweringScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.say("ann")
    scene.drain()
    scene.say("bob", scene.id_of(ROOM, 1))
    scene.say("bob")
    write_many = scene.store.write_many
    refused = 0

    def away_for_notes(writes: Any) -> Any:
        nonlocal refused
        if refused < 3 and {write.kind for write in writes} & {Kind.THREAD}:
            refused += 1
            assert scene.client.hlen(keys.THREADS) == 0 or refused > 1
            return [Unavailable("down")] * len(writes)
        return write_many(writes)

    monkeypatch.setattr(scene.store, "write_many", away_for_notes)
    scene.drain()
    assert refused == 3
    scene.tell_threads.run()
    assert shown(scene, 1)[0] == 1
    fates: Any = scene.client.hgetall(keys.stats(keys.shard_of(ROOM)))
    assert (fates[b"accepted"], fates[b"confirmed"]) == (b"3", b"3")


class Killed(BaseException):
    """What a kill is to the code that runs."""


class DyingBefore(BatchNotes):
    """A worker that dies between storing a batch and noting it."""

    def __call__(self, settled: Settled) -> Settled:
        raise Killed


class DyingBehind(BatchNotes):
    """A worker that dies between noting a batch and confirming it."""

    def __call__(self, settled: Settled) -> Settled:
        super().__call__(settled)
        raise Killed


@pytest.mark.parametrize("death", [DyingBefore, DyingBehind])
@pytest.mark.parametrize("is_redis_lost", [False, True])
def test_a_worker_may_die_around_its_notes(
    scene: AnsweringScene, death: type[BatchNotes], is_redis_lost: bool
) -> None:
    scene.say("ann")
    scene.drain()
    scene.say("bob", scene.id_of(ROOM, 1), ("cleo",))
    notes = scene.notes
    scene.notes = death(scene.store, scene.threads.mark)
    with pytest.raises(Killed):
        scene.drain()
    scene.notes = notes
    if is_redis_lost:
        scene.client.flushall()
        scene.cold_start.locate(ROOM)
    else:
        redeliver(scene)
    scene.settle()
    assert shown(scene, 1)[0] == 1
    assert scene.named("cleo") == 1


def redeliver(scene: AnsweringScene) -> None:
    """Make what a dead worker held old enough to be taken over."""
    outbox = keys.outbox(keys.shard_of(ROOM))
    for entry in scene.client.xpending_range(outbox, keys.GROUP, "-", "+", 100):
        scene.client.xclaim(outbox, keys.GROUP, "dead", 0, [entry["message_id"]], idle=100_000)


def test_a_count_waits_for_a_store_that_is_away(scene: AnsweringScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.say("ann")
    scene.say("bob", scene.id_of(ROOM, 1))
    scene.drain()

    def away(*_: Any) -> Any:
        raise StoreUnavailable("get")

    with monkeypatch.context() as patch:
        patch.setattr(scene.store, "get", away)
        with pytest.raises(StoreUnavailable):
            scene.tell_threads.run()
    assert scene.threads.waiting() == 1
    scene.tell_threads.run()
    assert shown(scene, 1)[0] == 1


def test_an_answer_to_nothing_leaves_no_mark(scene: AnsweringScene) -> None:
    scene.say("ann")
    for unknown in (f"{ROOM}.1.otherone", f"{ROOM}.9.abcd1234", "other.1.abcd1234", "nonsense"):
        scene.say("bob", unknown)
    scene.drain()
    scene.tell_threads.run()
    assert scene.threads.waiting() == 0
    assert shown(scene, 1) == (None, None)


def test_a_deletion_that_was_interrupted_is_finished_by_the_sweep(
    scene: AnsweringScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.say("ann")
    reply = scene.say("bob", scene.id_of(ROOM, 1), ("cleo",))
    scene.settle()
    ref = parse_message_id(scene.id_of(ROOM, reply))
    assert ref is not None
    scene.pins.pin(ROOM, "ann", ref)
    assert (shown(scene, 1)[0], scene.named("cleo"), len(scene.pins.of_room(ROOM))) == (1, 1, 1)

    def killed(*_: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(scene.telling), "tell", killed)
        with pytest.raises(Killed):
            scene.delete(scene.id_of(ROOM, reply))
    assert shown(scene, 1)[0] == 1
    scene.settle()
    assert shown(scene, 1) == (0, None)
    assert (scene.named("cleo"), scene.pins.of_room(ROOM)) == (0, [])
    room = scene.rooms.find(ROOM)
    assert room is not None
    assert room.pins == {}


STEPS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(USERS), st.integers(0, 6)),
    st.tuples(st.just("reply"), st.sampled_from(USERS), st.integers(0, 6)),
    st.tuples(st.just("name"), st.sampled_from(USERS), st.integers(0, 6)),
    st.tuples(st.just("delete"), st.just(""), st.integers(0, 6)),
    st.tuples(st.just("mark"), st.sampled_from(USERS), st.integers(0, 12)),
    st.tuples(
        st.sampled_from(["drain", "die-before", "die-behind", "tell", "sweep", "wipe"]), st.just(""), st.just(0)
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@example(steps=[("say", "cleo", 5), *[("die-before", "", 0)] * 4])  # stored, and poison at last
@given(steps=st.lists(STEPS, max_size=25))
def test_what_is_shown_is_what_is_stored_whatever_happens(valkey_url: str, steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        scene = AnsweringScene(client, Path(folder), USERS)
        known: list[str] = []  # ids that somebody may answer or delete, also of messages that were lost since
        for kind, user_id, number in steps:
            target = known[number % len(known)] if known else None
            if kind in ("say", "reply", "name"):
                reply_to = target if kind == "reply" else None
                named = (*USERS[: number % 3], user_id) if kind == "name" or number % 2 else ()
                known.append(scene.id_of(ROOM, scene.say(user_id, reply_to, named)))
            elif kind == "delete" and target is not None:
                scene.drain()
                if scene.stored().get(int(target.split(".")[1]), {}).get("id") == target:
                    scene.delete(target)
            elif kind == "mark":
                scene.mark(ROOM, user_id, number)
            elif kind.startswith("die"):
                die(scene, DyingBefore if kind == "die-before" else DyingBehind)
            elif kind == "wipe":
                client.flushall()
            elif kind != "delete":
                {"drain": scene.drain, "tell": scene.tell_threads.run, "sweep": lambda: scene.sweep.run(-1)}[kind]()
        check(scene)
        client.flushall()
        check(scene)
        scene.close()


def die(scene: AnsweringScene, death: type[BatchNotes]) -> None:
    notes, scene.notes = scene.notes, death(scene.store, scene.threads.mark)
    try:
        scene.drain()
    except Killed:
        redeliver(scene)
    finally:
        scene.notes = notes


def check(scene: AnsweringScene) -> None:
    scene.cold_start.locate(ROOM)
    scene.settle()
    for seq, message in scene.stored().items():
        if message["deleted_at"] is not None:
            continue
        replies = scene.replies_of(message["id"])
        newest = scene.stored()[replies[-1]]["created_at"] if replies else None
        assert (message.get("reply_count", 0), message.get("last_reply_at")) == (len(replies), newest), seq
        ref = parse_message_id(message["id"])
        assert ref is not None
        page = scene.counted.page(ref, 50)
        assert [json.loads(each)["seq"] for each in page.messages] == replies
    for user_id in USERS:
        assert scene.named(user_id) == scene.named_truth(user_id)
