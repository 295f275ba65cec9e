"""What a change of a room is told as, and to whom; `test_room_changes.py` has the changes themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.model.room import Member, MembersRecord, Role, RoomRecord, RoomType, Roster
from chat.services.room_updates import ADDED, CREATED, DELETED, NAMED_IN_EVENT, REMOVED, Change

AT = "2026-01-02T03:04:05.678Z"


def roster(*user_ids: str, deleted_at: str | None = None) -> Roster:
    room = RoomRecord("r", RoomType.GROUP, "Friends", AT, "ann", deleted_at=deleted_at)
    return Roster(room, MembersRecord({each: Member(Role.MEMBER, AT) for each in user_ids}))


def told(change: Change, now: Roster) -> Any:
    """Return the event's data, None where nothing is told."""
    event = change.event(now)
    return None if event is None else json.loads(event.head + b"1" + event.tail)["data"]


def test_the_note_of_a_change_says_what_it_was() -> None:
    note = Change(ADDED, "r", "bob", ["bob"]).intent()
    assert (note.name, note.room_id, note.detail) == ("room-updated", "r", "member-added:bob")


@pytest.mark.parametrize(
    ("change", "cut"),
    [
        (Change(CREATED, "r", users=["ann"]), "-"),
        (Change(ADDED, "r", "bob", ["bob"]), "-"),
        (Change(REMOVED, "r", "bob", ["bob"]), "bob"),
        (Change(DELETED, "r", users=["ann"]), "*"),
    ],
)
def test_who_is_no_member_any_more_is_cut_off(change: Change, cut: str) -> None:
    assert change.cut == cut


@pytest.mark.parametrize(
    ("change", "now"),
    [
        (Change(ADDED, "r", "bob", ["bob"]), roster("ann")),
        (Change(REMOVED, "r", "bob", ["bob"]), roster("ann", "bob")),
        (Change(REMOVED, "r", "bob", ["bob"]), roster("ann", deleted_at=AT)),
        (Change(DELETED, "r", users=["ann"]), roster("ann")),
    ],
)
def test_nothing_is_told_when_a_later_change_has_undone_this_one(change: Change, now: Roster) -> None:
    assert told(change, now) is None


@pytest.mark.parametrize(("count", "named"), [(NAMED_IN_EVENT, NAMED_IN_EVENT), (NAMED_IN_EVENT + 1, 1)])
def test_only_the_one_it_is_about_is_named_when_a_room_is_large(count: int, named: int) -> None:
    data = told(Change(ADDED, "r", "u0", ["u0"]), roster(*[f"u{each}" for each in range(count)]))
    assert (data["change"], data["userId"], data["room"]["member_count"]) == ("member-added", "u0", count)
    assert len(data["room"]["members"]) == named
