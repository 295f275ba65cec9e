from __future__ import annotations

import time

import pytest
import redis

from chat.broker.members import RedisMembers
from chat.errors import NotAMember, RoomNotFound
from chat.model.room import RoomType
from chat.services import membership
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping
from tests.support.memory_sets import MemorySets
from tests.support.threads import AT_ONCE, at_once

COMING = {
    "send": lambda each, *place, **who: each.require(*place, **who, makes_room=True),
    "enter": lambda each, *place, **who: each.enter(*place, **who),
}


@pytest.fixture(params=["memory", "redis"])
def cache(request):
    if request.param == "memory":
        yield MemorySets()
        return
    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        yield RedisMembers(client)


@pytest.fixture
def keeping(tmp_path, cache):
    store = SqliteStore(tmp_path / "chat.db")
    keeping = Keeping(store, caches=cache)
    keeping.rooms.create(RoomType.GROUP, "ann", ["bob"], room_id="group", name=None)
    keeping.rooms.create(RoomType.CHANNEL, "ann", [], room_id="channel", name=None)
    yield keeping
    store.close()


@pytest.fixture
def rooms(keeping):
    return keeping.rooms


def test_a_member_passes_and_a_stranger_does_not_when_asked(keeping, rooms):
    each = keeping.another()
    each.require("group", "bob")
    for ask in (each.require, each.enter):
        with pytest.raises(NotAMember) as caught:
            ask("group", "eve")
        assert caught.value.field == "roomId"
    assert each.is_known("group", "bob")
    assert not each.is_known("group", "eve")


def test_one_becomes_a_member_when_one_enters_a_channel(keeping, rooms):
    each = keeping.another()
    with pytest.raises(NotAMember):
        each.require("channel", "eve")
    each.enter("channel", "eve")
    assert "eve" in rooms.members("channel")
    assert each.is_known("channel", "eve")
    keeping.another().require("channel", "eve")


def test_nothing_is_asked_again_when_a_member_is_known_here(keeping, rooms):
    each = keeping.another()
    each.require("group", "bob")
    hits = each.hits
    for _ in range(3):
        each.require("group", "bob")
        each.enter("group", "bob")
    assert (each.hits, each.misses) == (hits + 6, 1)


def test_the_shared_set_answers_when_another_server_loaded_it(keeping, rooms):
    keeping.another().require("group", "ann")
    each = keeping.another()
    each.require("group", "bob")
    assert (each.hits, each.misses) == (1, 0)


def test_a_negative_answer_comes_from_the_store_when_the_set_is_old(keeping, rooms):
    each = keeping.another()
    each.require("group", "ann")  # the set holds ann and bob
    keeping.changes.put_member("group", "ann", "cy", None)
    assert not each.is_known("group", "cy")
    each.require("group", "cy")
    assert each.is_known("group", "cy")


def test_a_member_is_looked_up_again_when_the_minute_is_over(keeping, rooms, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    each = keeping.another()
    each.require("group", "bob")
    clock[0] += membership.LOCAL_TTL_S - 1
    assert each.is_known("group", "bob")
    clock[0] += 2
    assert not each.is_known("group", "bob")
    each.require("group", "bob")
    assert each.is_known("group", "bob")


def test_the_oldest_is_forgotten_when_too_many_are_known(keeping, rooms, monkeypatch):
    monkeypatch.setattr(membership, "LOCAL_LIMIT", 2)
    each = keeping.another()
    each.require("group", "ann")
    each.require("group", "bob")
    each.require("channel", "ann")
    known = [each.is_known(*place) for place in (("group", "ann"), ("group", "bob"), ("channel", "ann"))]
    assert known == [False, True, True]


@pytest.mark.parametrize("come", COMING.values(), ids=COMING)
def test_an_unknown_room_is_not_found_when_it_is_no_trial(keeping, rooms, come):
    with pytest.raises(RoomNotFound):
        come(keeping.another(), "nowhere", "ann")
    assert rooms.find("nowhere") is None


@pytest.mark.parametrize("is_guest", [True, False])
def test_an_unknown_room_is_made_for_nobody_who_only_looks(keeping, rooms, is_guest):
    with pytest.raises(RoomNotFound):
        keeping.another(is_dev=True).require("fresh", "ann", is_guest=is_guest)
    assert rooms.find("fresh") is None


@pytest.mark.parametrize("come", COMING.values(), ids=COMING)
def test_an_unknown_room_becomes_a_channel_of_its_first_user_when_it_is_a_trial(keeping, rooms, come):
    come(keeping.another(is_dev=True), "fresh", "ann")
    assert rooms.get("fresh").type is RoomType.CHANNEL
    assert {user_id: str(each.role) for user_id, each in rooms.members("fresh").items()} == {"ann": "owner"}


def test_a_group_stays_closed_when_it_is_a_trial(keeping, rooms):
    each = keeping.another(is_dev=True)
    for ask in (each.require, each.enter):
        with pytest.raises(NotAMember):
            ask("group", "eve")


def test_a_guest_is_in_every_channel_and_in_no_group_when_it_is_a_trial(keeping, rooms):
    each = keeping.another(is_dev=True)
    each.enter("channel", "guest-1", is_guest=True)
    each.require("fresh", "guest-2", is_guest=True, makes_room=True)
    with pytest.raises(NotAMember):
        each.enter("group", "guest-1", is_guest=True)
    assert set(rooms.members("channel")) == {"ann"}
    assert rooms.members("fresh") == {}


@pytest.mark.parametrize("servers", [1, AT_ONCE])
def test_nobody_is_lost_when_many_first_join_one_trial_channel_at_once(keeping, rooms, servers):
    each = [keeping.another(is_dev=True) for _ in range(servers)]
    results = at_once(AT_ONCE, lambda n: each[n % servers].enter("lobby", f"user{n}"))
    assert results == [None] * AT_ONCE
    everybody = {f"user{n}" for n in range(AT_ONCE)}
    assert set(rooms.members("lobby")) == everybody
    later = keeping.another()
    for user_id in everybody:
        later.require("lobby", user_id)


def test_nothing_is_known_of_a_member_when_the_membership_ended(keeping, rooms):
    each = keeping.another()
    for user_id in ("ann", "bob"):
        each.require("group", user_id)
    keeping.changes.remove_member("group", "ann", "bob")
    each.forget("group", "bob")
    assert [each.is_known("group", user_id) for user_id in ("ann", "bob")] == [True, False]
    with pytest.raises(NotAMember):
        each.require("group", "bob")
    each.require("channel", "ann")
    each.forget("group", "*")
    assert [each.is_known(room_id, "ann") for room_id in ("group", "channel")] == [False, True]
    each.forget_all()
    assert not each.is_known("channel", "ann")


def test_memory_is_not_believed_when_the_process_may_not_have_heard(keeping, rooms):
    each = keeping.another()
    each.require("group", "bob")
    assert each.is_known("group", "bob")
    each.trusted_until = time.monotonic() - 0.001
    assert not each.is_known("group", "bob")
    each.require("group", "bob")  # from the shared set
    keeping.changes.remove_member("group", "ann", "bob")
    with pytest.raises(NotAMember):
        each.require("group", "bob")


@pytest.mark.parametrize("source", ["set", "store"])
def test_it_is_asked_again_when_a_membership_ends_while_it_is_asked(keeping, rooms, source, monkeypatch):
    if source == "set":
        keeping.another().require("group", "bob")
    each = keeping.another()
    ask = each._ask
    asked = []

    def removed_meanwhile(*place):
        answer = ask(*place)
        asked.append(answer)
        if len(asked) == 1:
            keeping.changes.remove_member("group", "ann", "bob")
            each.forget("group", "bob")
        return answer

    monkeypatch.setattr(each, "_ask", removed_meanwhile)
    with pytest.raises(NotAMember):
        each.require("group", "bob")
    assert asked == [True, False]
    assert not each.is_known("group", "bob")


def test_an_old_reading_of_the_store_fills_no_set_when_a_removal_came_meanwhile(keeping, rooms, monkeypatch):
    each = keeping.another()
    read = keeping.rooms.roster

    def read_late(room_id, **options):
        found = read(room_id, **options)
        monkeypatch.setattr(keeping.rooms, "roster", read)
        keeping.changes.remove_member("group", "ann", "bob")
        return found

    monkeypatch.setattr(keeping.rooms, "roster", read_late)
    each.require("group", "ann")
    assert keeping.caches.ask("group", "bob").is_member is not True
