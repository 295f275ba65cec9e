"""Messages and rooms as the model writes them are what these records say."""

from __future__ import annotations

import msgspec
import pytest

from chat.model.room import Member, MembersRecord, Role, RoomRecord, RoomType, Roster, room_as_told
from chat.protocol.shapes import Room, Seq, Time

ROOM = RoomRecord("r", RoomType.GROUP, "Friends", "2026-01-02T03:04:05.678Z", "ann")


def test_a_room_is_what_is_declared() -> None:
    told = room_as_told(Roster(ROOM, MembersRecord({"ann": Member(Role.OWNER, ROOM.created_at)})))
    assert msgspec.to_builtins(msgspec.convert(told, Room)) == msgspec.to_builtins(told)


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678", "2026-01-02 03:04:05.678Z", ""]
)
def test_another_way_to_write_a_time_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Time)


def test_no_message_has_the_number_zero() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(0, Seq)
