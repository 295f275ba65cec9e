"""Reading between a real Valkey and a real store: what is counted is what is stored, whatever happens meanwhile."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.broker import keys
from chat.model.cursor import Standing
from tests.support.reading import USERS, ReadingScene


def test_quiet_rooms_are_counted_in_a_few_reads_without_waking_them(scene: ReadingScene) -> None:
    for number in range(50):
        room_id = scene.make(f"r{number}", USERS)
        scene.send(room_id, "ann", count=3)
    scene.drain()
    scene.mark("r1", "bob", 2)
    scene.store_seen()
    scene.client.flushall()
    before = scene.store.round_trips
    counts = scene.unread.counts("bob", scene.unread.rooms_of(["bob"])["bob"])
    assert counts == {f"r{number}": 3 for number in range(50)} | {"r1": 1}
    assert scene.store.round_trips - before <= 4
    assert not scene.client.keys("chat:head:*")


def test_counts_of_500_rooms_cost_one_round_trip(scene: ReadingScene, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(500):
        scene.client.hset(keys.head(f"r{number}"), mapping={"epoch": "e", "seq": 7, "offset": 7, "epochs": "1:e"})
    pairs = [(f"r{number}", "bob") for number in range(500)]
    scene.unread.of(pairs)
    round_trips: list[Any] = []
    pipeline = scene.client.pipeline

    def counted(**how: Any) -> Any:
        round_trips.append(how)
        return pipeline(**how)

    monkeypatch.setattr(scene.client, "pipeline", counted)
    assert set(scene.unread.of(pairs).values()) == {Standing(0, 7, 7)}
    assert len(round_trips) == 1


def commands_of(scene: ReadingScene, act: Any) -> Counter[str]:
    """Return the commands that Redis was sent meanwhile, those inside scripts too."""
    scene.client.config_resetstat()
    act()
    stats: Any = scene.client.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}
    return Counter({name: n for name, n in counts.items() if not name.startswith(("config", "info"))})


@pytest.mark.parametrize("asked", [0, 3])
def test_a_message_costs_the_same_in_a_room_of_10_and_of_10_000(redis_url: str, asked: int) -> None:
    costs = []
    for size in (10, 10_000):
        with tempfile.TemporaryDirectory() as folder, redis.Redis.from_url(redis_url) as client:
            client.flushall()
            scene = ReadingScene(client, Path(folder), small=5)
            users = [f"u{number}" for number in range(size)]
            scene.make("r1", users)
            scene.send("r1", "u0")
            scene.settle()
            scene.recounts.mark(f"u u{number}" for number in range(1, asked + 1))
            scene.recount.run()

            def message(scene: ReadingScene = scene) -> None:
                scene.send("r1", "u0")
                scene.settle()

            costs.append(commands_of(scene, message))
            assert scene.count("r1", f"u{size - 1}") == 2
            assert scene.cached("u1", "r1") == (None, None)
            scene.close()
    small, large = costs
    assert small == large
    print(f"\ncommands for a message, {asked} counters asked for: {sum(large.values())} {dict(large)}")


def test_a_small_room_costs_per_member_and_no_more_when_many_messages_come(scene: ReadingScene) -> None:
    users = [f"u{number}" for number in range(10)]
    scene.make("r1", users)
    scene.send("r1", "u0")
    scene.settle()

    def messages(count: int) -> int:
        def act() -> None:
            scene.send("r1", "u0", count=count)
            scene.settle()

        return commands_of(scene, act)["set"]

    one = messages(1) - 1  # a dedupe key is set for each message
    assert messages(100) - 100 <= one + 1  # after a large batch the drain holds its lease for one more look


STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(USERS), st.integers(1, 3)),
    st.tuples(st.just("poison"), st.sampled_from(USERS), st.just(0)),
    st.tuples(st.just("mark"), st.sampled_from(USERS), st.integers(0, 12)),
    st.tuples(st.just("ask"), st.sampled_from(USERS), st.just(0)),
    st.tuples(st.sampled_from(["drain", "store", "recount", "wipe", "expire", "head"]), st.just(""), st.just(0)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=25))
def test_what_is_counted_is_what_is_stored_whatever_happens(valkey_url: str, steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        scene = ReadingScene(client, Path(folder))
        scene.refuse_poison()
        scene.make("r1", USERS)
        marked: dict[str, int] = {}  # what a user has marked since Redis was last wiped
        for kind, user_id, number in steps:
            if kind in ("send", "poison"):
                scene.send("r1", user_id, "poison" if kind == "poison" else "hello", max(number, 1))
                assert scene.count("r1", user_id) == 0  # one's own, and what came before
            elif kind == "mark":
                standing = scene.mark("r1", user_id, number)
                assert standing.unread == scene.count("r1", user_id)
                marked[user_id] = max(marked.get(user_id, 0), min(number, standing.last_seq))
            elif kind == "ask":
                scene.recounts.mark([f"u {user_id}"])
            elif kind == "wipe":
                client.flushall()
                marked.clear()
            elif kind == "expire":
                client.delete(keys.read("r1"), *(keys.total_unread(each) for each in USERS))
            elif kind == "head":
                scene.drain()  # a head outlives its outbox
                client.delete(keys.head("r1"))
            else:
                {"drain": scene.drain, "store": scene.store_seen, "recount": scene.recount.run}[kind]()
        scene.cold_start.locate("r1")
        scene.settle()
        scene.store_seen()  # cursors that waited for their messages
        for user_id in USERS:
            truth = scene.truth("r1", user_id)
            assert scene.count("r1", user_id) == truth
            unread, total = scene.cached(user_id, "r1")
            assert unread in (None, b"%d" % truth)
            assert total in (None, b"%d" % truth)
            assert scene.cursor("r1", user_id).read_seq >= marked.get(user_id, 0)
        client.flushall()
        for user_id in USERS:
            assert scene.count("r1", user_id) == scene.truth("r1", user_id)
        scene.close()
