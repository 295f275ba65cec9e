from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from chat.hub import Room


@dataclass(eq=False)
class Ear:
    user_id: str
    writer: list[bytes] = field(default_factory=list)
    rooms: set[str] = field(default_factory=set)


EARS = [Ear(f"user{n}") for n in range(5)]
STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "ask"]), st.integers(0, 4)))


@given(STEPS)
def test_the_writers_are_the_listeners_when_people_come_and_go(steps):
    room, present = Room("r"), {}
    for step, n in steps:
        if step == "add":
            room.add(EARS[n])
            present[n] = True
        elif step == "remove":
            room.remove(EARS[n])
            present.pop(n, None)
        else:
            assert room.writers == [ear.writer for ear in room.listeners]
        assert list(room.listeners) == [EARS[each] for each in present]
        assert room.is_empty == (not present)
    assert [id(each) for each in room.writers] == [id(EARS[each].writer) for each in present]


def test_the_list_of_writers_is_made_once_when_nobody_comes_or_goes():
    room = Room("r")
    room.add(EARS[0])
    assert room.writers is room.writers
    room.remove(EARS[1])
    first = room.writers
    room.add(EARS[1])
    assert room.writers is not first


def test_a_room_is_not_empty_when_someone_is_about_to_listen():
    room = Room("r")
    room.joining[EARS[0]] = []
    assert not room.is_empty
    room.remove(EARS[0])
    assert room.is_empty


def test_publications_are_held_when_a_room_is_new():
    room = Room("r")
    assert room.is_syncing
    assert not room.is_ready
    assert (room.epoch, room.offset, room.last_seq) == ("", 0, 0)
