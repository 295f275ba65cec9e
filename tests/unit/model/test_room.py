from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.model.ids import is_id
from chat.model.room import (
    DIRECT_PREFIX,
    Member,
    MembersRecord,
    Role,
    RoomRecord,
    RoomType,
    direct_room_id,
)

USERS = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)


@given(one=USERS, other=USERS)
def test_a_direct_room_has_one_id_when_either_asks(one, other):
    room_id = direct_room_id(one, other)
    assert room_id == direct_room_id(other, one)
    assert is_id(room_id)
    assert room_id.startswith(DIRECT_PREFIX)


@given(st.sets(USERS, min_size=3, max_size=3))
def test_direct_rooms_differ_when_a_person_differs(people):
    ann, bob, cy = sorted(people)
    assert len({direct_room_id(ann, bob), direct_room_id(ann, cy), direct_room_id(bob, cy)}) == 3


def test_a_pair_is_no_other_pair_when_names_run_together():
    assert direct_room_id("a-b", "c") != direct_room_id("a", "b-c")
    assert direct_room_id("ab", "c") != direct_room_id("a", "bc")


def test_a_room_reads_back_as_it_was_when_stored():
    room = RoomRecord("r", RoomType.CHANNEL, None, "2026-01-01T00:00:00.000Z", "ann", 7)
    assert msgspec.json.decode(msgspec.json.encode(room), type=RoomRecord) == room


def test_members_read_back_as_they_were_when_stored():
    record = MembersRecord({"ann.b": Member(Role.OWNER, "2026-01-01T00:00:00.000Z")})
    assert msgspec.json.decode(msgspec.json.encode(record), type=MembersRecord) == record


def test_a_room_without_messages_has_no_last_seq_when_its_document_does_not_say():
    body = b'{"id":"r","type":"group","name":null,"created_at":"x","created_by":"ann"}'
    assert msgspec.json.decode(body, type=RoomRecord).last_seq == 0


@pytest.mark.parametrize("body", [b'{"type":"club"}', b'{"id":"r"}', b"[]"])
def test_a_room_is_refused_when_its_document_is_none(body):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=RoomRecord)
