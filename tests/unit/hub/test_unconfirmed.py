"""The account of shown messages comes out even, whatever order their ends are told in."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.hub import Unconfirmed, Waiting, unconfirmed
from chat.model.publication import Origin, RoomEvents


def shown(*seqs: int, sender: str = "ann", epoch: str = "e1", room_id: str = "r") -> RoomEvents:
    origins = [Origin(seq, sender, f"t{seq}", 5, epoch) for seq in seqs]
    return RoomEvents("new", room_id, epoch, seqs[0], origins, [b"{%d}" % seq for seq in seqs])


def waiting(seq: int, epoch: str = "e1") -> Waiting:
    return Waiting("r", epoch, seq, "ann", f"t{seq}", 5, b"{%d}" % seq, has_viewers=False)


def account(is_local: bool = True) -> Unconfirmed:
    return Unconfirmed(lambda _: is_local)


def left(kept: Unconfirmed) -> list[Waiting]:
    return [each for late in kept.overdue(0).values() for each in late]


def settle_all(kept: Unconfirmed) -> list[tuple[str, int]]:
    """Do what the settler does; return whom it told of which message."""
    told = []
    for each in left(kept):
        if each.has_viewers:
            told.append(("room", each.seq))
        if not each.is_sender_told:
            told.append(("sender", each.seq))
        kept.settle(each)
    return told


STEPS = st.permutations(["shown", "room", "sender", "settle"])


@given(STEPS, st.sampled_from([1, 2, 3]))
@example(["shown", "room", "sender", "settle"], 1)
@example(["sender", "shown", "room", "settle"], 1)
def test_the_account_ends_empty_and_nobody_is_told_twice_when_ends_come_in_any_order(steps, count):
    kept, told = account(), []
    seqs = list(range(1, count + 1))
    for step in steps:
        if step == "shown":
            kept.shown(shown(*seqs))
        elif step == "room":
            told += [("room", each.seq) for each in kept.room_told("r", "e1", seqs)]
        elif step == "sender":
            before = kept.sender_told("r", "e1", seqs)
            told += [("sender", seq) for seq in seqs if seq not in before]
        else:
            told += settle_all(kept)
    told += settle_all(kept)  # asked for again, as often as something is left
    assert len(kept) == 0
    assert sorted(told) == sorted(set(told))
    assert {("sender", seq) for seq in seqs} <= set(told)


@given(st.permutations(["shown", "room", "sender", "settle", "room", "settle"]))
def test_the_sender_is_told_once_when_rooms_and_settlers_repeat_themselves(steps):
    kept, told = account(), 0
    for step in steps:
        if step == "shown":
            kept.shown(shown(1))
        elif step == "room":
            kept.room_told("r", "e1", [1])
        elif step == "sender":
            told += 1 - len(kept.sender_told("r", "e1", [1]))
        else:
            told += settle_all(kept).count(("sender", 1))
    told += settle_all(kept).count(("sender", 1))
    assert (told, len(kept)) == (1, 0)


def test_the_room_alone_settles_a_message_when_its_sender_is_elsewhere():
    kept = account(is_local=False)
    kept.shown(shown(1, 2))
    assert [each.seq for each in kept.room_told("r", "e1", [1])] == [1]
    assert [each.seq for each in left(kept)] == [2]


def test_a_message_waits_for_both_when_its_sender_is_here():
    kept = account()
    kept.shown(shown(1, 2))
    kept.room_told("r", "e1", [1])
    kept.sender_told("r", "e1", [2])
    assert [(each.seq, each.has_viewers, each.is_sender_told) for each in left(kept)] == [
        (1, False, False),
        (2, True, True),
    ]
    kept.room_told("r", "e1", [2])
    kept.sender_told("r", "e1", [1])
    assert len(kept) == 0


def test_only_news_is_noted_when_a_publication_overlaps():
    kept = account()
    kept.shown(shown(1, 2, 3), skip=2)
    assert [each.seq for each in left(kept)] == [3]


def test_both_messages_are_kept_when_a_number_is_given_again_under_another_epoch():
    kept = account()
    kept.shown(shown(7, epoch="e1"))
    kept.shown(shown(7, epoch="e2"))
    kept.room_told("r", "e2", [7])
    kept.sender_told("r", "e2", [7])
    assert [(each.epoch, each.has_viewers) for each in left(kept)] == [("e1", True)]
    assert settle_all(kept) == [("room", 7), ("sender", 7)]
    assert len(kept) == 0


def test_the_sender_alone_settles_a_message_when_only_the_sender_saw_it():
    kept = account()
    kept.shown_to_sender(waiting(1))
    assert len(kept) == 1
    assert kept.sender_told("r", "e1", [1]) == []
    assert len(kept) == 0


def test_what_the_room_saw_stays_when_its_sender_notes_it_too():
    kept = account()
    kept.shown(shown(1))
    kept.shown_to_sender(waiting(1))
    assert [each.has_viewers for each in left(kept)] == [True]


def test_a_replayed_message_waits_when_the_log_says_that_it_does():
    kept = account()
    kept.replayed(shown(1, 2, 3), {2, 9})
    assert [each.seq for each in left(kept)] == [2]
    kept.room_told("r", "e1", [2])
    kept.sender_told("r", "e1", [2])
    assert len(kept) == 0


def test_a_message_that_only_its_sender_saw_has_viewers_when_it_is_replayed():
    kept = account()
    first = waiting(1)
    kept.shown_to_sender(first)
    kept.replayed(shown(1), {1})
    assert left(kept) == [first]
    assert first.has_viewers


def test_only_what_waits_too_long_is_overdue_when_asked(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    kept = account()
    kept.shown(shown(1))
    clock[0] += 2
    kept.shown(shown(2))
    assert kept.overdue(3) == {}
    clock[0] += 1
    assert [each.seq for each in kept.overdue(3)["r"]] == [1]
    assert [each.seq for each in kept.overdue(0)["r"]] == [1, 2]


def test_a_late_event_is_news_again_when_the_memory_of_it_is_old(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    kept = account()
    kept.shown(shown(1))
    settle_all(kept)
    clock[0] += unconfirmed.REMEMBER_S - 1
    kept.overdue(3)
    assert kept.sender_told("r", "e1", [1]) == [1]
    clock[0] += unconfirmed.REMEMBER_S + 1
    kept.overdue(3)
    assert kept.sender_told("r", "e1", [1]) == []


def test_memory_is_bounded_when_many_senders_are_told_of_messages_not_shown_here(monkeypatch):
    monkeypatch.setattr(unconfirmed, "REMEMBER_LIMIT", 10)
    kept = account()
    kept.sender_told("r", "e1", range(1, 100))
    assert kept.sender_told("r", "e1", [1]) == []
    assert kept.sender_told("r", "e1", [99]) == [99]


@pytest.mark.parametrize("seqs", [[], [5]])
def test_nothing_happens_when_an_unknown_message_ends(seqs):
    kept = account()
    assert kept.room_told("r", "e1", seqs) == []
    assert kept.sender_told("r", "e1", seqs) == []
    assert len(kept) == 0
