"""Whatever happens in whatever order, everyone ends up seeing what history has, and unread is what is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from chat.broker import keys
from chat.gateway import settler
from tests.support.interplay import ROOM, Interplay

PEOPLE = ("ann", "bob", "cleo")
EXAMPLES = int(os.environ.get("INTERPLAY_EXAMPLES", "60"))
STEPS = 40

people = st.sampled_from(PEOPLE)
places = st.integers(0, 20)


class Everything(RuleBasedStateMachine):
    """One room, three people, one server, and all that may befall them."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.redis = redis.Redis.from_url(self.url)
        self.redis.flushall()
        self.world = Interplay(self.redis, Path(self.folder.name), PEOPLE)
        self.marked: dict[str, int] = {}  # what was marked as seen since Redis was last wiped
        for user_id in PEOPLE:
            self.world.join(user_id)

    @rule(who=people, count=st.integers(1, 3), is_poison=st.booleans(), is_heard=st.booleans())
    def send(self, who: str, count: int, is_poison: bool, is_heard: bool) -> None:
        if self.world.is_member(who):
            self.world.scene.send(ROOM, who, "poison" if is_poison and count == 1 else "hello", count)
        if is_heard:
            self.world.hear()

    @rule(how=st.sampled_from(["edit", "delete", "react"]), who=people, place=places, what=st.sampled_from("👍🎉"))
    def amend(self, how: str, who: str, place: int, what: str) -> None:
        self.world.amend(how, who, place, what)

    @rule(who=people, seq=st.integers(0, 20))
    def seen(self, who: str, seq: int) -> None:
        if self.world.is_member(who):
            standing = self.world.scene.mark(ROOM, who, seq)
            assert standing.unread == self.world.scene.count(ROOM, who)
            self.marked[who] = max(self.marked.get(who, 0), min(seq, standing.last_seq))

    @rule(who=people)
    def connect_or_drop(self, who: str) -> None:
        (self.world.drop if who in self.world.lines else self.world.join)(who)

    @rule(who=st.sampled_from(PEOPLE[1:]))
    def remove_or_add(self, who: str) -> None:
        (self.world.remove if self.world.is_member(who) else self.world.add)(who)

    @rule(what=st.sampled_from(["hear", "lose", "settle_shown"]))
    def pass_on(self, what: str) -> None:
        {"hear": self.world.hear, "lose": self.world.lose, "settle_shown": self.world.settle_shown}[what]()

    @rule(what=st.sampled_from(["drain", "store_seen", "recount", "settle"]))
    def work(self, what: str) -> None:
        scene = self.world.scene
        acts = {"drain": scene.drain, "store_seen": scene.store_seen, "recount": scene.recount.run}
        acts.get(what, scene.settle)()

    @rule(what=st.sampled_from(["log", "caches", "all", "head"]))
    def forget(self, what: str) -> None:
        if what == "log":
            self.redis.xtrim(keys.log(ROOM), maxlen=2, approximate=False)
        elif what == "caches":
            users = [key for each in PEOPLE for key in (keys.total_unread(each), keys.unread(each, ROOM))]
            self.redis.delete(keys.read(ROOM), keys.room_members(ROOM), *users)
        elif what == "all":
            self.redis.flushall()
            self.marked.clear()
        elif not self.world.lines:  # a week of quiet
            self.world.scene.drain()  # a head outlives its outbox
            self.redis.delete(keys.head(ROOM))

    def teardown(self) -> None:
        try:
            self.check()
        finally:
            self.world.close()
            self.redis.close()
            self.folder.cleanup()

    def check(self) -> None:
        world = self.world
        world.scene.settle()
        for user_id in PEOPLE:
            if not world.is_member(user_id):
                unread, total = world.scene.cached(user_id, ROOM)
                assert unread is None
                assert total in (None, b"0")
            world.add(user_id)
        world.heal()
        history = world.truth()
        assert not [each for each in history if each[-1]], "nothing waits to be stored any more"
        for user_id, client in world.clients.items():
            assert client.shown() == history, user_id
        for user_id in PEOPLE:
            self.check_unread(user_id)
        self.redis.flushall()
        for user_id in PEOPLE:
            assert world.scene.count(ROOM, user_id) == world.unread_truth(user_id)

    def check_unread(self, user_id: str) -> None:
        truth: Any = self.world.unread_truth(user_id)
        scene = self.world.scene
        assert scene.count(ROOM, user_id) == truth
        assert set(scene.cached(user_id, ROOM)) <= {None, b"%d" % truth}
        assert scene.cursor(ROOM, user_id).read_seq >= self.marked.get(user_id, 0)


@pytest.fixture
def world(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interplay]:
    """Everybody is there, for what the machine may not come to by chance in a few examples."""
    monkeypatch.setattr(settler, "GONE_AFTER_S", 0.0)
    with redis.Redis.from_url(redis_url) as client:
        world = Interplay(client, tmp_path, PEOPLE)
        for user_id in PEOPLE:
            world.join(user_id)
        yield world
        world.close()


def views(world: Interplay) -> list[Any]:
    return [client.shown() for client in world.clients.values()]


def test_a_message_that_redis_lost_stays_with_nobody(world: Interplay) -> None:
    world.scene.send(ROOM, "bob")
    world.hear()
    assert [len(each) for each in views(world)] == [1, 1, 1]
    world.redis.flushall()
    world.heal()
    assert views(world) == [[], [], []]


def test_who_was_away_learns_what_became_of_what_was_shown(world: Interplay) -> None:
    for content in ("hello", "poison", "hello"):
        world.scene.send(ROOM, "bob", content)
    world.hear()
    for user_id in PEOPLE:
        world.drop(user_id)
    world.scene.drain()
    world.heal()
    assert views(world) == [world.truth()] * 3
    assert [each[0] for each in world.truth()] == [1, 3]


def test_who_was_away_until_the_log_was_trimmed_reads_history(world: Interplay) -> None:
    world.scene.send(ROOM, "ann")
    world.hear()
    world.drop("cleo")
    for _ in range(2):
        world.remove("bob")
        world.add("bob")
    world.redis.xtrim(keys.log(ROOM), maxlen=4, approximate=False)  # all that came after, and no more
    world.heal()
    assert views(world) == [world.truth()] * 3


def test_an_edit_is_seen_when_redis_loses_everything_on_both_sides_of_it(world: Interplay) -> None:
    world.scene.send(ROOM, "ann")
    world.hear()
    world.scene.drain()
    world.redis.flushall()
    world.amend("edit", "ann", 0, "other")
    world.redis.flushall()
    world.heal()
    assert [each[2] for each in world.truth()] == ["other"]
    assert views(world) == [world.truth()] * 3


def test_a_deleted_message_is_unread_for_nobody_when_redis_loses_everything_at_once(world: Interplay) -> None:
    world.scene.send(ROOM, "ann", count=3)
    world.hear()
    world.scene.settle()
    world.amend("delete", "ann", 1, "")
    world.redis.flushall()
    assert world.scene.count(ROOM, "bob") == 2  # and nobody has used the room since


def test_nothing_of_a_room_is_counted_for_who_was_removed(world: Interplay) -> None:
    world.scene.send(ROOM, "ann")
    world.scene.settle()
    assert world.scene.cached("bob", ROOM) == (b"1", b"1")
    world.remove("bob")
    world.scene.settle()
    assert world.scene.cached("bob", ROOM) == (None, b"0")


@pytest.mark.timeout(300)
def test_everyone_sees_history_and_counts_the_truth_whatever_happens(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "GONE_AFTER_S", 0.0)  # no worker has anything in hand here
    monkeypatch.setattr(Everything, "url", redis_url, raising=False)
    run_state_machine_as_test(
        Everything,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
