"""Who types: ended by silence, by a stop and by a message, and never more names than anybody reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.hub.typing import SHOWN_PER_ROOM, TYPING_S, Typist, Typists


def typist(user_id: str, room_id: str = "r1", frame: bytes = b"{}") -> Typist:
    return Typist(room_id, user_id, frame)


def test_typing_ends_by_itself_when_it_is_not_renewed():
    typists = Typists()
    typists.note(typist("ann"), 10.0)
    typists.note(typist("bob"), 11.0)
    assert typists.expired(10.0 + TYPING_S - 0.01) == []
    assert typists.expired(10.0 + TYPING_S) == [typist("ann")]
    assert typists.expired(11.0 + TYPING_S) == [typist("bob")]
    assert not typists


def test_typing_goes_on_when_it_is_renewed():
    typists = Typists()
    typists.note(typist("ann", frame=b"first"), 10.0)
    typists.note(typist("bob"), 11.0)
    typists.note(typist("ann", frame=b"second"), 12.0)
    assert typists.expired(10.0 + TYPING_S) == []
    assert typists.expired(12.0 + TYPING_S) == [typist("bob"), typist("ann", frame=b"second")]


def test_a_stop_is_news_when_the_user_was_typing():
    typists = Typists()
    typists.note(typist("ann"), 10.0)
    assert typists.has("r1", "ann")
    assert typists.end("r1", "ann") == typist("ann")
    assert typists.end("r1", "ann") is None


def test_those_who_wrote_are_ended_when_they_typed_in_that_room():
    typists = Typists()
    typists.note(typist("ann"), 1.0)
    typists.note(typist("ann", "r2"), 1.0)
    assert typists.among("r1", ["bob", "ann", "ann"]) == [typist("ann")]
    assert typists.among("r1", ["ann"]) == []
    assert typists.has("r2", "ann")


def test_one_more_is_not_told_when_enough_type_in_a_room():
    typists = Typists()
    assert all(typists.note(typist(f"u{n}"), 1.0) for n in range(SHOWN_PER_ROOM))
    assert not typists.note(typist("late"), 1.0)
    assert typists.note(typist("u0"), 1.0)
    assert typists.note(typist("late", "r2"), 1.0)
    typists.end("r1", "u0")
    assert typists.note(typist("late"), 1.0)


@given(st.lists(st.tuples(st.sampled_from("nex"), st.sampled_from("abc"), st.sampled_from(["r1", "r2"]))))
def test_nothing_is_left_when_all_has_expired(steps):
    typists, now = Typists(), 0.0
    for kind, user, room in steps:
        now += 1.0
        if kind == "n":
            typists.note(typist(user, room), now)
        elif kind == "e":
            typists.end(room, user)
        else:
            typists.expired(now)
    typists.expired(now + TYPING_S)
    assert not typists
    assert typists._in_room == {}
