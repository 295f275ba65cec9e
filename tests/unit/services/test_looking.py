"""Who shares no room with somebody learns nothing of them, whatever the caches know."""

from __future__ import annotations

import pytest

from chat.model.presence import STRANGER, Look, UserPresence
from chat.model.room import RoomType
from chat.services.looking import Looking
from chat.services.room_list import RoomList
from chat.services.rooms import Rooms
from chat.store.sqlite import SqliteStore
from tests.support.memory_sets import MemorySets

HERE, AWAY = UserPresence(True, "now"), UserPresence(False, "then")


class View:
    """A cache that knows what a test says; everybody is online."""

    def __init__(self) -> None:
        self.members: dict[str, set[str]] = {}
        self.looked: list[list[str]] = []

    def look(self, room_ids, user_ids):
        self.looked.append(list(room_ids))
        cold = tuple(each for each in room_ids if each not in self.members)
        sharing = {user for room in room_ids for user in self.members.get(room, ())} & set(user_ids)
        return Look(frozenset(sharing), cold, dict.fromkeys(user_ids, HERE))


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def store(tmp_path) -> SqliteStore:
    store = SqliteStore(tmp_path / "chat.db")
    rooms = Rooms(store, member_limit=10)
    rooms.create(RoomType.GROUP, "ann", ["bob"], room_id="r1", name=None)
    rooms.create(RoomType.GROUP, "eve", ["bob"], room_id="r2", name=None)
    return store


@pytest.fixture
def looking(view, store) -> Looking:
    rooms = Rooms(store, member_limit=10)
    return Looking(view, store, RoomList(rooms, store, MemorySets()).ids)


def test_only_those_who_share_a_room_are_seen_when_the_caches_are_cold(looking):
    assert looking.of("ann", (), ["bob", "eve", "nobody", "bob"]) == {
        "bob": HERE,
        "eve": STRANGER,
        "nobody": STRANGER,
    }


def test_the_store_is_not_asked_when_the_caches_know_it(looking, view, store):
    view.members = {"r1": {"ann", "bob"}}
    looking.of("ann", (), ["bob"])  # fills the cache of ann's rooms, where nothing else does
    before = store.round_trips
    assert looking.of("ann", (), ["bob", "eve"]) == {"bob": HERE, "eve": STRANGER}
    assert store.round_trips == before


def test_a_guest_sees_those_in_the_joined_rooms(looking, view):
    view.members = {"lobby": {"bob"}}
    assert looking.of("guest-1", {"lobby"}, ["bob", "eve"]) == {"bob": HERE, "eve": STRANGER}
    assert view.looked == [["lobby"]]


def test_one_look_is_enough_when_those_asked_for_are_in_a_joined_room(looking, view, store):
    view.members = {"r1": {"ann", "bob"}}
    before = store.round_trips
    assert looking.of("ann", {"r1"}, ["bob"]) == {"bob": HERE}
    assert (view.looked, store.round_trips) == ([["r1"]], before)


def test_other_rooms_are_looked_at_when_a_joined_one_does_not_hold_everybody(looking, view):
    view.members = {"lobby": {"eve"}, "r1": {"ann", "bob"}}
    assert looking.of("ann", {"lobby"}, ["bob", "eve", "cy"]) == {"bob": HERE, "eve": HERE, "cy": STRANGER}
    assert view.looked == [["lobby"], ["r1"]]


def test_one_sees_oneself_when_one_is_in_no_room(looking):
    assert looking.of("loner", (), ["loner", "ann"]) == {"loner": HERE, "ann": STRANGER}


def test_nothing_is_asked_when_nobody_is_named(looking, view):
    assert looking.of("ann", (), []) == {}
    assert view.looked == []
