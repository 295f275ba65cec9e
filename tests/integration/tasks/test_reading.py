"""Reading between a real Valkey and a real store: what is counted is what is stored, whatever happens meanwhile."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.broker import keys
from chat.errors import InvalidRequest, StoreUnavailable
from chat.model.cursor import Cursor, Standing
from chat.model.message import message_key
from chat.services import recount as recount_module
from chat.services.reconcile_unread import Reconcile
from chat.services.removed import Removing, read_removed
from chat.services.store_seen import StoreSeen
from chat.store.base import Kind
from tests.support.reading import ReadingScene

USERS = ("ann", "bob", "cleo")


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[ReadingScene]:
    with redis.Redis.from_url(redis_url) as client:
        scene = ReadingScene(client, tmp_path)
        yield scene
        scene.close()


def test_ten_thousand_marks_are_one_write(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    for _ in range(100):
        scene.send("r1", "ann", count=100)
    assert scene.mark("r1", "bob", 10_000) == Standing(10_000, 10_000, 0)
    for seq in range(1, 50):
        scene.mark("r1", "cleo", seq)
    scene.drain()
    before = scene.store.round_trips
    assert scene.store_seen() == 2
    assert scene.store.round_trips - before <= 3  # last seqs, raises, and inserts where there was no cursor
    assert scene.cursor("r1", "bob").read_seq == 10_000
    assert scene.cursor("r1", "cleo").shown_seq == 49


def test_a_cursor_waits_when_its_message_is_not_stored_yet(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.mark("r1", "bob", 3)
    assert scene.store_seen() == 0
    assert scene.cursor("r1", "bob").read_seq == 0
    scene.drain()
    assert scene.store_seen() == 1
    assert scene.cursor("r1", "bob").read_seq == 3


def test_nothing_is_lost_when_a_worker_dies_in_the_middle(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.drain()
    scene.mark("r1", "bob", 3)

    class Killed(BaseException):
        """What a kill is to the code that runs."""

    class Dying(StoreSeen):
        def _store_cursors(self, marks: Any) -> set[str]:
            super()._store_cursors(marks)
            raise Killed

    with pytest.raises(Killed):
        Dying(scene.marks, scene.store).run()
    scene.mark("r1", "cleo", 2)
    assert scene.store_seen() == 2
    assert (scene.cursor("r1", "bob").read_seq, scene.cursor("r1", "cleo").read_seq) == (3, 2)


def test_marks_stay_when_the_store_is_away(scene: ReadingScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann")
    scene.drain()
    scene.mark("r1", "bob", 1)

    def away(*_: Any) -> Any:
        raise StoreUnavailable("get_many")

    with monkeypatch.context() as patch:
        patch.setattr(scene.store, "get_many", away)
        assert scene.store_seen() == 0
    assert scene.store_seen() == 1


def test_a_named_message_is_looked_up_when_redis_does_not_know_its_epoch(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.drain()
    named = scene.id_of("r1", 2)
    epoch = named.rsplit(".", 1)[1]
    scene.client.hset(keys.head("r1"), "epochs", f"9:{epoch}")
    assert scene.seen.mark("r1", "bob", message_id=named).read_seq == 2
    scene.client.hset(keys.head("r1"), "epochs", f"9:{epoch}")
    with pytest.raises(InvalidRequest, match="no such message"):
        scene.seen.mark("r1", "bob", message_id="r1.3.zzzzzzzz")


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


def test_counters_say_what_is_unread_when_work_is_done(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.make("r2", ["ann", "bob"])
    scene.send("r1", "ann", count=3)
    scene.send("r2", "ann", count=2)
    scene.settle()
    assert scene.cached("bob", "r1") == (b"3", b"5")
    assert scene.cached("ann", "r1") == (b"0", b"0")
    scene.mark("r1", "bob", 2)
    assert scene.cached("bob", "r1") == (None, None)  # never wrong, rather not there
    scene.settle()
    assert scene.cached("bob", "r1") == (b"1", b"3")


def test_counters_go_with_the_membership(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.make("r2", ["ann", "bob"])
    scene.send("r1", "ann", count=3)
    scene.send("r2", "ann", count=2)
    scene.settle()

    def without_bob(roster: Any) -> Any:
        return {user_id: each for user_id, each in roster.members.items() if user_id != "bob"}

    scene.rooms.change_members("r1", without_bob)
    scene.recounts.mark(["m bob r1"])
    scene.recount.run()
    assert scene.cached("bob", "r1") == (None, b"2")
    assert scene.cached("cleo", "r1") == (b"3", b"3")
    scene.rooms.change_members("r2", without_bob)
    scene.recounts.mark(["r r2"])  # a room that ended has no members either
    scene.recount.run()
    assert scene.cached("bob", "r2") == (None, None)


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


def test_a_wrong_counter_is_found_and_mended(scene: ReadingScene) -> None:
    reconcile = reconciling(scene)
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.settle()
    assert reconcile.check(["bob", "ann"]).drift == 0
    scene.client.set("chat:unread:bob:r1", 7)
    checked = reconcile.check(["bob", "ann"])
    assert (checked.users, checked.pairs, checked.counters) == (2, 2, 1)
    scene.recount.run()
    assert scene.cached("bob", "r1") == (b"3", b"3")


def test_a_number_without_a_message_is_found_and_mended(scene: ReadingScene) -> None:
    reconcile = reconciling(scene)
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.settle()
    scene.store.delete(Kind.MESSAGE, message_key("r1", 2))
    scene.send("r1", "ann")  # waits to be stored, and counts
    assert scene.count("r1", "bob") == 4
    assert reconcile.check(["bob"]).numbers == 1
    assert scene.count("r1", "bob") == 3
    scene.settle()
    assert read_removed(scene.store, "r1", 10) == {2}
    assert reconcile.check(["bob"]).drift == 0


def reconciling(scene: ReadingScene) -> Reconcile:
    def recount(user_ids: Any) -> None:
        scene.counters.drop_users(user_ids)
        scene.recounts.mark(f"u {user_id}" for user_id in user_ids)

    parts = (scene.unread, scene.reading, scene.counters, scene.store)
    return Reconcile(*parts, scene.log.waiting, scene.cold_start.locate, recount, sleep=lambda _: None)


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


def test_a_recount_starts_another_when_its_time_is_over(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.recounts.mark(["r r1"])
    scene.recount._run_s = 0.0
    assert scene.recount.run()
    scene.recount._run_s = recount_module.RUN_S
    assert not scene.recount.run()
    assert scene.recounts.waiting() == 0


def test_a_cursor_is_made_by_sending(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=2)
    scene.drain()
    assert scene.cursor("r1", "ann") == Cursor(2, 0, 0)
    scene.send("r1", "ann")
    scene.drain()
    assert scene.cursor("r1", "ann") == Cursor(3, 0, 0)


def test_a_deleted_message_is_not_counted_wherever_its_room_is(scene: ReadingScene) -> None:
    changed: list[str] = []
    removing = Removing(scene.reading, scene.cold_start.locate, changed.append)
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=4)
    scene.drain()
    scene.client.flushall()  # a cold room is warmed on the way
    assert removing.remove("r1", [2]) == 1
    assert removing.remove("r1", [2, 3]) == 1
    assert changed == ["r1", "r1"]
    assert scene.count("r1", "bob") == 2
    assert scene.store_seen() == 2
    scene.client.flushall()
    assert scene.count("r1", "bob") == 2
