"""A page of a user's rooms, with what is new in each, at a cost that does not grow with them."""

from __future__ import annotations

import json

import msgspec
import pytest

from chat.model.message import message_key
from chat.model.room import RoomType
from chat.services.room_list import RoomList
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping


@pytest.fixture
def keeping(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield Keeping(store)
    store.close()


def make(keeping, count, *others, start=0):
    for n in range(start, start + count):
        keeping.changes.create(RoomType.GROUP, "ann", others, room_id=f"r{n:03d}", name=None)


def ids(listed):
    return [each.roster.room.id for each in listed]


def test_every_room_comes_once_when_the_pages_are_turned(keeping):
    make(keeping, 7)
    rooms = RoomList(keeping.rooms, keeping.store, keeping.caches)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page, after = rooms.page("ann", 3, after)
        assert len(page) <= 3
        found += ids(page)
    assert found == [f"r{n:03d}" for n in range(7)]
    assert rooms.page("eve", 3) == ([], None)


def test_the_newest_stored_message_is_shown_when_the_last_numbers_were_retracted(keeping):
    make(keeping, 2)
    for seq in (1, 2):
        keeping.store.insert(Kind.MESSAGE, message_key("r000", seq), json.dumps({"id": f"m{seq}"}).encode())
    keeping.store.update_paths(Kind.ROOM, "r000", sets={("last_seq",): 4})
    one, other = RoomList(keeping.rooms, keeping.store, keeping.caches).page("ann", 10)[0]
    assert msgspec.json.decode(one.last_message or b"") == {"_temp": False, "id": "m2"}
    assert other.last_message is None


def test_unread_messages_are_counted_for_the_whole_page_at_once(keeping):
    make(keeping, 3)
    keeping.store.update_paths(Kind.ROOM, "r001", sets={("last_seq",): 4})
    asked = []

    def unread_of(user_id, last_seqs):
        asked.append((user_id, dict(last_seqs)))
        return {"r001": 4}

    page, _ = RoomList(keeping.rooms, keeping.store, keeping.caches, unread_of).page("ann", 10)
    assert [each.unread for each in page] == [0, 4, 0]
    assert asked == [("ann", {"r000": 0, "r001": 4, "r002": 0})]


def test_the_list_is_never_old_when_rooms_come_and_go(keeping):
    rooms = RoomList(keeping.rooms, keeping.store, keeping.caches)
    make(keeping, 3, "bob")
    assert rooms.ids("bob") == {"r000", "r001", "r002"}
    assert keeping.caches.rooms["bob"] == {"r000", "r001", "r002"}
    keeping.changes.remove_member("r000", "ann", "bob")
    keeping.changes.delete("r001", "ann")
    make(keeping, 1, "bob", start=3)
    for _ in range(2):  # loaded, and from the cache
        assert rooms.ids("bob") == {"r002", "r003"}
    assert keeping.rooms.of_user.of("bob") == {"r002", "r003"}  # the deleted one left the list on the way


def test_a_room_is_not_shown_when_only_the_list_says_that_one_is_in_it(keeping):
    make(keeping, 2)
    keeping.rooms.of_user.put("bob", "r000", is_in=True)
    assert RoomList(keeping.rooms, keeping.store, keeping.caches).page("bob", 10) == ([], None)


@pytest.mark.parametrize("count", [2, 60])
def test_a_page_costs_the_same_reads_when_it_is_longer(keeping, count):
    make(keeping, count)
    rooms = RoomList(keeping.rooms, keeping.store, keeping.caches)
    rooms.ids("ann")
    before = keeping.store.round_trips
    assert len(rooms.page("ann", 100)[0]) == count
    assert keeping.store.round_trips - before == 2  # and one for messages, where there are any
