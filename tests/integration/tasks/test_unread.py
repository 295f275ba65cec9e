"""Counters between a real Valkey and a real store: counted, mended, and gone with what they count."""

from __future__ import annotations

from typing import Any

from chat.broker import keys
from chat.model.message import message_key
from chat.services import recount as recount_module
from chat.services.reconcile_unread import Reconcile
from chat.services.removed import Removing, read_removed
from chat.store.base import Kind
from tests.support.reading import USERS, ReadingScene


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


def test_counters_are_there_when_the_total_and_each_of_the_rooms_are(scene: ReadingScene) -> None:
    for room_id in ("r1", "r2"):
        scene.make(room_id, USERS)
    assert not scene.counters.are_there("bob", [])
    scene.recounts.mark(["u bob"])
    scene.recount.run()
    assert scene.counters.are_there("bob", ["r1", "r2"])
    scene.client.delete(keys.unread("bob", "r2"))
    assert scene.counters.are_there("bob", ["r1"])
    assert not scene.counters.are_there("bob", ["r1", "r2"])


def test_everybody_s_turn_comes_when_more_are_found_than_are_checked_at_once(scene: ReadingScene) -> None:
    everybody = {f"user{number}" for number in range(20)}
    for user_id in everybody:
        scene.client.set(keys.total_unread(user_id), 0)
    checked: set[str] = set()
    for _ in range(500):  # one is drawn each time: nobody is left out but once in a hundred million runs
        checked.update(scene.counters.sample(1, 20))
    assert checked == everybody


def reconciling(scene: ReadingScene) -> Reconcile:
    def recount(user_ids: Any) -> None:
        scene.counters.drop_users(user_ids)
        scene.recounts.mark(f"u {user_id}" for user_id in user_ids)

    parts = (scene.unread, scene.reading, scene.counters, scene.store)
    return Reconcile(*parts, scene.log.waiting, scene.cold_start.locate, recount, sleep=lambda _: None)


def test_a_recount_starts_another_when_its_time_is_over(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.recounts.mark(["r r1"])
    scene.recount._run_s = 0.0
    assert scene.recount.run()
    scene.recount._run_s = recount_module.RUN_S
    assert not scene.recount.run()
    assert scene.recounts.waiting() == 0


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
