from __future__ import annotations

import time
from collections.abc import Collection

import pytest
import redis

from chat.broker.members import RedisMembers
from chat.errors import NotAMember, RoomNotFound
from chat.model.room import RoomType
from chat.services import membership
from chat.services.membership import Membership
from chat.services.rooms import Rooms
from chat.store.sqlite import SqliteStore
from tests.support.threads import AT_ONCE, at_once


class MemorySets:
    """The shared cache as `RedisMembers` keeps it."""

    def __init__(self) -> None:
        self.sets: dict[str, set[str]] = {}

    def is_member(self, room_id: str, user_id: str) -> bool | None:
        found = self.sets.get(room_id)
        return None if found is None else user_id in found

    def keep(self, room_id: str, user_ids: Collection[str]) -> None:
        if user_ids:
            self.sets.setdefault(room_id, set()).update(user_ids)

    def forget(self, room_id: str, user_ids: Collection[str] = ()) -> None:
        self.sets.pop(room_id, None)


@pytest.fixture(params=["memory", "redis"])
def cache(request):
    if request.param == "memory":
        yield MemorySets()
        return
    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        yield RedisMembers(client)


@pytest.fixture
def rooms(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    rooms = Rooms(store, member_limit=100)
    rooms.create(RoomType.GROUP, "ann", ["bob"], room_id="group", name=None)
    rooms.create(RoomType.CHANNEL, "ann", [], room_id="channel", name=None)
    yield rooms
    store.close()


def test_a_member_passes_and_a_stranger_does_not_when_asked(rooms, cache):
    each = Membership(rooms, cache, is_dev=False)
    each.require("group", "bob")
    for ask in (each.require, each.enter):
        with pytest.raises(NotAMember) as caught:
            ask("group", "eve")
        assert caught.value.field == "roomId"
    assert each.is_known("group", "bob")
    assert not each.is_known("group", "eve")


def test_one_becomes_a_member_when_one_enters_a_channel(rooms, cache):
    each = Membership(rooms, cache, is_dev=False)
    with pytest.raises(NotAMember):
        each.require("channel", "eve")
    each.enter("channel", "eve")
    assert "eve" in rooms.members("channel")
    assert each.is_known("channel", "eve")
    Membership(rooms, cache, is_dev=False).require("channel", "eve")


def test_nothing_is_asked_again_when_a_member_is_known_here(rooms, cache):
    each = Membership(rooms, cache, is_dev=False)
    each.require("group", "bob")
    hits = each.hits
    for _ in range(3):
        each.require("group", "bob")
        each.enter("group", "bob")
    assert (each.hits, each.misses) == (hits + 6, 1)


def test_the_shared_set_answers_when_another_server_loaded_it(rooms, cache):
    Membership(rooms, cache, is_dev=False).require("group", "ann")
    each = Membership(rooms, cache, is_dev=False)
    each.require("group", "bob")
    assert (each.hits, each.misses) == (1, 0)


def test_a_negative_answer_comes_from_the_store_when_the_set_is_old(rooms, cache):
    each = Membership(rooms, cache, is_dev=False)
    each.require("group", "ann")  # the set holds ann and bob
    rooms.add_member("group", "cy")
    each.require("group", "cy")


def test_a_member_is_looked_up_again_when_the_minute_is_over(rooms, cache, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    each = Membership(rooms, cache, is_dev=False)
    each.require("group", "bob")
    clock[0] += membership.LOCAL_TTL_S - 1
    assert each.is_known("group", "bob")
    clock[0] += 2
    assert not each.is_known("group", "bob")
    each.require("group", "bob")
    assert each.is_known("group", "bob")


def test_the_oldest_is_forgotten_when_too_many_are_known(rooms, cache, monkeypatch):
    monkeypatch.setattr(membership, "LOCAL_LIMIT", 2)
    each = Membership(rooms, cache, is_dev=False)
    each.require("group", "ann")
    each.require("group", "bob")
    each.require("channel", "ann")
    known = [each.is_known(*place) for place in (("group", "ann"), ("group", "bob"), ("channel", "ann"))]
    assert known == [False, True, True]


def test_an_unknown_room_is_not_found_when_it_is_no_trial(rooms, cache):
    each = Membership(rooms, cache, is_dev=False)
    for ask in (each.require, each.enter):
        with pytest.raises(RoomNotFound):
            ask("nowhere", "ann")


@pytest.mark.parametrize("action", ["require", "enter"])
def test_an_unknown_room_becomes_a_channel_of_its_first_user_when_it_is_a_trial(rooms, cache, action):
    getattr(Membership(rooms, cache, is_dev=True), action)("fresh", "ann")
    assert rooms.get("fresh").type is RoomType.CHANNEL
    assert {user_id: str(each.role) for user_id, each in rooms.members("fresh").items()} == {"ann": "owner"}


def test_a_group_stays_closed_when_it_is_a_trial(rooms, cache):
    each = Membership(rooms, cache, is_dev=True)
    for ask in (each.require, each.enter):
        with pytest.raises(NotAMember):
            ask("group", "eve")


def test_a_guest_is_in_every_channel_and_in_no_group_when_it_is_a_trial(rooms, cache):
    each = Membership(rooms, cache, is_dev=True)
    each.enter("channel", "guest-1", is_guest=True)
    each.require("fresh", "guest-2", is_guest=True)
    with pytest.raises(NotAMember):
        each.enter("group", "guest-1", is_guest=True)
    assert set(rooms.members("channel")) == {"ann"}
    assert rooms.members("fresh") == {}


@pytest.mark.parametrize("servers", [1, AT_ONCE])
def test_nobody_is_lost_when_many_first_join_one_trial_channel_at_once(rooms, cache, servers):
    each = [Membership(rooms, cache, is_dev=True) for _ in range(servers)]
    results = at_once(AT_ONCE, lambda n: each[n % servers].enter("lobby", f"user{n}"))
    assert results == [None] * AT_ONCE
    everybody = {f"user{n}" for n in range(AT_ONCE)}
    assert set(rooms.members("lobby")) == everybody
    later = Membership(rooms, cache, is_dev=False)
    for user_id in everybody:
        later.require("lobby", user_id)
