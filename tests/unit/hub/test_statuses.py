"""Everyone who shares a room with somebody is told once of the coming and the going, and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from chat.hub import Hub, Room, Statuses
from chat.hub import statuses as statuses_module
from chat.model.presence import RoomPresence, StatusChange
from tests.unit.hub.test_hub import Ear, new_hub, send

SEEN = "2026-01-31T12:00:00.000Z"
LIMIT = 3


class Here:
    """A hub with attendances."""

    def __init__(self) -> None:
        self.hub: Hub = new_hub()
        self.statuses = Statuses(self.hub, send, lambda frame: frame + b"\n", LIMIT)
        self.clock = 0

    def room(self, room_id: str, *ears: Ear, online: tuple[str, ...] = ()) -> Room:
        room = self.hub.rooms[room_id] = Room(room_id)
        for ear in ears:
            self.hub.add_user(ear)
            room.add(ear)
        self.read(room_id, *online)
        return room

    def read(self, room_id: str, *online: str, tells: bool = False) -> None:
        found = RoomPresence(len(online), {each: each.title() for each in online})
        self.statuses.put(room_id, found, tells=tells)

    def take(self, kind: Any, user_id: str, *rooms: str, at_us: int | None = None) -> None:
        self.clock += 1
        at = self.clock if at_us is None else at_us
        self.statuses.take(StatusChange(kind, user_id, at, SEEN, user_id.title(), list(rooms)))

    def online(self, room_id: str) -> set[str]:
        attendance = self.statuses.known(room_id)
        return set(attendance.online) if attendance else set()


@pytest.fixture
def here() -> Here:
    return Here()


def heard(ear: Ear) -> list[tuple]:
    told = [each["data"] for each in ear.told()]
    ear.writer.clear()
    return [(each["userId"], each["isOnline"], each["inRoom"], sorted(each["roomIds"])) for each in told]


def test_the_others_are_told_when_somebody_comes(here):
    ann, bob, far = Ear("ann"), Ear("bob"), Ear("far")
    here.room("r1", ann, bob)
    here.room("r2", far)
    here.take("online", "bob", "r1", "unknown")
    assert (heard(ann), heard(bob), heard(far)) == ([("bob", True, True, ["r1"])], [], [])
    assert here.online("r1") == {"bob"}


def test_nobody_is_told_when_it_is_known(here):
    ann = Ear("ann")
    here.room("r1", ann, online=("bob",))
    here.take("online", "bob", "r1")
    here.take("left", "cleo", "r1")
    assert heard(ann) == []


def test_one_event_names_all_shared_rooms_when_there_are_several(here):
    ann, cleo = Ear("ann"), Ear("cleo")
    here.room("r1", ann, cleo)
    here.room("r2", ann)
    here.room("r3", cleo)
    here.take("online", "bob", "r1", "r2", "r3", "secret")
    assert heard(ann) == [("bob", True, True, ["r1", "r2"])]
    assert heard(cleo) == [("bob", True, True, ["r1", "r3"])]


def test_the_room_is_told_when_somebody_leaves_it_and_goes_offline_later(here):
    ann = Ear("ann")
    here.room("r1", ann, online=("bob",))
    here.take("left", "bob", "r1")
    assert heard(ann) == [("bob", True, False, ["r1"])]
    assert here.online("r1") == set()
    here.take("offline", "bob", "r1")
    assert heard(ann) == [("bob", False, False, ["r1"])]


def test_a_late_change_is_dropped_when_a_newer_one_came_first(here):
    ann = Ear("ann")
    here.room("r1", ann, online=("bob",))
    here.take("online", "bob", "r1", at_us=20)
    here.take("offline", "bob", "r1", at_us=10)
    assert heard(ann) == []
    assert here.online("r1") == {"bob"}
    here.take("offline", "bob", "r1", at_us=30)
    assert heard(ann) == [("bob", False, False, ["r1"])]


def test_order_is_remembered_for_a_bounded_number_of_users(here, monkeypatch):
    monkeypatch.setattr(statuses_module, "ORDER_LIMIT", 2)
    for user_id in ("ann", "bob", "cleo"):
        here.take("online", user_id, "r1")
    assert list(here.statuses._newest) == ["bob", "cleo"]


def test_nobody_is_told_when_too_many_are_online(here):
    ann = Ear("ann")
    here.room("r1", ann, online=("a", "b", "c"))
    here.take("online", "d", "r1")
    assert heard(ann) == []
    here.take("offline", "d", "r1")
    assert heard(ann) == [("d", False, False, ["r1"])]


def test_what_comes_while_a_room_is_read_is_in_the_attendance(here):
    here.room("r1", Ear("ann"))
    here.statuses.begin_reading(["r1"])
    here.take("online", "bob", "r1")
    here.take("offline", "cleo", "r1")
    here.read("r1", "cleo")
    assert here.online("r1") == {"bob"}
    here.statuses.begin_reading(["r1"])
    here.statuses.abandon(["r1"])
    here.read("r1")
    assert here.online("r1") == set()


def test_what_was_missed_is_told_when_a_room_is_compared(here):
    ann = Ear("ann")
    here.room("r1", ann, online=("bob", "cleo"))
    here.read("r1", "cleo", "dan")
    assert heard(ann) == []
    here.read("r1", "bob", "cleo", tells=True)
    assert sorted(heard(ann)) == [("bob", True, True, ["r1"]), ("dan", False, False, ["r1"])]


def test_an_attendance_is_shown_for_a_while_and_then_read_again(here, monkeypatch):
    here.room("r1", Ear("ann"), online=("bob",))
    assert here.statuses.fresh("r1") is not None
    monkeypatch.setattr(statuses_module, "FRESH_S", -1)
    assert here.statuses.fresh("r1") is None
    assert here.statuses.known("r1") is not None


def test_closed_rooms_are_forgotten_when_all_are_to_be_read_again(here):
    ann = Ear("ann")
    here.room("r1", ann)
    here.room("r2")
    assert here.statuses.expire() == ["r1"]
    assert here.statuses.fresh("r1") is None
    assert here.statuses.known("r2") is None


def test_a_whole_room_is_counted_when_only_some_are_known_by_name(here):
    here.room("r1", Ear("ann"))
    here.statuses.put("r1", RoomPresence(6, {"a": "A"}))
    here.take("offline", "z", "r1")
    attendance = here.statuses.known("r1")
    assert attendance is not None
    assert attendance.count == 5


def test_those_in_a_room_of_ones_own_are_known_to_be_online_without_asking(here):
    here.room("r", Ear("ann"), online=("ann", "bob"))
    here.room("s", Ear("ann"), online=("cleo",))
    assert here.statuses.online_among(["r", "s", "nowhere"], ["bob", "cleo", "dan"]) == ({"bob", "cleo"}, [])
    assert here.statuses.online_among(["s"], ["bob"]) == (set(), [])
    here.take("offline", "bob", "r")
    assert here.statuses.online_among(["r", "s"], ["bob", "cleo"]) == ({"cleo"}, [])


def test_what_may_be_old_is_named_and_not_told_as_it_is(here):
    here.room("r", Ear("ann"), online=("ann", "bob"))
    here.room("s", Ear("ann"), online=("bob", "cleo"))
    here.room("t", Ear("ann"), online=("zoe",))
    here.statuses.expire()
    assert here.statuses.online_among(["r", "t"], ["bob"]) == (set(), ["r"])
    here.read("s", "bob", "cleo")
    assert here.statuses.online_among(["r", "s"], ["bob", "cleo"]) == ({"bob", "cleo"}, [])


def test_a_bounded_number_of_rooms_is_looked_at(here, monkeypatch):
    monkeypatch.setattr(statuses_module, "ROOMS_LOOKED_AT", 1)
    here.room("r", Ear("ann"))
    here.room("s", Ear("ann"), online=("bob",))
    assert here.statuses.online_among(["r", "s"], ["bob"]) == (set(), [])
