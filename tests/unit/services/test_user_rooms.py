"""The lists of users' rooms: nothing on them is lost, whoever writes them at the same time."""

from __future__ import annotations

import pytest

from chat.services.user_rooms import UserRooms
from chat.store.sqlite import SqliteStore
from tests.support.threads import AT_ONCE, at_once


@pytest.fixture
def user_rooms(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield UserRooms(store)
    store.close()


def test_a_room_is_on_the_list_until_it_is_taken_off(user_rooms):
    assert user_rooms.of("ann") == set()
    assert user_rooms.put("ann", "r.1", is_in=True)
    assert not user_rooms.put("ann", "r.1", is_in=True)
    assert user_rooms.of("ann") == {"r.1"}
    assert user_rooms.put("ann", "r.1", is_in=False)
    assert not user_rooms.put("ann", "r.1", is_in=False)
    assert user_rooms.of("ann") == set()
    user_rooms.remove("nobody", ["r.1"])


def test_every_member_of_a_new_room_has_it_on_the_list_when_some_have_lists_already(user_rooms):
    user_rooms.put("bob", "old", is_in=True)
    user_rooms.note(["ann", "bob", "cy"], "new")
    user_rooms.note(["ann", "bob", "cy"], "new")
    assert user_rooms.of_many(["ann", "bob", "cy", "eve"]) == {"ann": {"new"}, "bob": {"old", "new"}, "cy": {"new"}}


def test_no_room_is_lost_when_many_are_put_on_one_list_at_once(user_rooms):
    results = at_once(AT_ONCE, lambda n: user_rooms.put("ann", f"r{n}", is_in=True))
    assert results == [True] * AT_ONCE
    assert user_rooms.of("ann") == {f"r{n}" for n in range(AT_ONCE)}
