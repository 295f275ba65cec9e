"""retract_message.lua on a real server: a message is given up once, and everyone who saw it is told."""

from __future__ import annotations

import json

import pytest
import redis

from chat.broker import keys
from tests.support.rooms import Ears, Room


@pytest.fixture
def entry(room):
    room.accept("t1", "t2", "t3")
    (entry,) = room.take()
    return entry


def test_nothing_waits_when_the_only_message_is_retracted(room):
    room.accept("t1")
    (entry,) = room.take()
    assert room.retract(entry, 1)
    assert room.client.xlen(room.outbox_key) == 0
    assert room.client.xpending(room.outbox_key, keys.GROUP)["pending"] == 0
    assert room.client.exists(room.partial) == 0
    assert room.client.hgetall(room.stats) == {b"accepted": b"1", b"retracted": b"1"}


def test_room_and_sender_are_told_when_a_message_is_retracted(room: Room, entry, ears: Ears):
    room.retract(entry, 2)
    (channel, event), (user, failed) = ears.heard()
    header, sender, frame = event.decode().split("\n")
    assert channel == keys.room_channel("room456")
    assert header == f"retracted {room.epoch} 4 1 2 {room.epoch}"
    assert sender == "ann"
    assert json.loads(frame) == {
        "event": "message-retracted",
        "data": {"roomId": "room456", "messageId": f"room456.2.{room.epoch}", "seq": 2, "offset": 4},
    }
    assert user == keys.user_channel("ann")
    assert failed.decode().split("\n") == [
        f"failed {room.epoch} room456 2",
        '{"event":"message-failed","data":{"n":2}}',
    ]
    assert room.client.xrevrange(room.log, count=1) == [(b"4-0", {b"e": event})]


def test_a_dead_letter_keeps_the_message_when_it_is_retracted(room, entry):
    room.retract(entry, 2)
    ((_, letter),) = room.client.xrange(room.dead)
    assert letter.pop(b"at").isdigit()
    assert letter == {
        b"room": b"room456",
        b"m": b'ann t2 1700000000000\n"content":"says t2"',
        b"code": b"refused",
        b"text": b"too sad",
    }


def test_the_rest_is_confirmed_when_one_of_several_was_retracted(room, entry, ears):
    room.retract(entry, 2)
    assert room.client.xlen(room.outbox_key) == 1
    ears.heard()
    assert room.confirm(entry, 1, 3) == 2
    assert ears.heard()[0][1] == f"confirmed {room.epoch} 1:ann 3:ann".encode()
    assert room.client.xlen(room.outbox_key) == 0
    assert room.client.exists(room.partial) == 0


def test_a_retracted_one_is_not_confirmed_when_a_zombie_confirms_all(room, entry, ears):
    room.retract(entry, 2)
    ears.heard()
    assert room.confirm(entry) == 2
    assert ears.heard()[0][1] == f"confirmed {room.epoch} 1:ann 3:ann".encode()
    assert room.accept("t2")[2] == f"duplicate failed 2 {room.epoch} refused too sad"


def test_nothing_is_left_when_the_last_open_one_is_retracted(room, entry):
    room.confirm(entry, 1, 3)
    assert room.retract(entry, 2)
    assert room.client.xlen(room.outbox_key) == 0
    assert room.client.exists(room.partial) == 0


def test_nothing_is_left_when_all_are_retracted(room, entry):
    assert [room.retract(entry, seq) for seq in (3, 1, 2)] == [True, True, True]
    assert room.client.xlen(room.outbox_key) == 0
    assert room.client.exists(room.partial) == 0
    assert room.client.xlen(room.dead) == 3


@pytest.mark.parametrize("settle", ["retracted", "retracted with all others", "confirmed", "confirmed in part"])
def test_gone_is_answered_and_nothing_changes_when_it_was_settled_before(room, entry, ears, settle):
    if settle.startswith("retracted"):
        room.retract(entry, 2)
    if settle == "retracted with all others":
        room.confirm(entry, 1, 3)
    if settle.startswith("confirmed"):
        room.confirm(entry, *([2] if settle.endswith("part") else []))
    ears.heard()
    before = room.contents()
    assert not room.retract(entry, 2)
    assert room.contents() == before
    assert ears.heard() == []


def test_only_the_sender_is_told_when_the_room_has_no_head_any_more(room, entry, ears):
    room.client.delete(room.head)
    assert room.retract(entry, 1)
    assert [channel for channel, _ in ears.heard()] == [keys.user_channel("ann")]
    assert room.client.exists(room.head) == 0


def test_the_next_message_follows_the_retraction_when_both_are_logged(room, entry):
    epoch = room.epoch
    room.retract(entry, 1)
    assert room.accept("t4") == ["ok", epoch, "accepted 4 5"]


@pytest.mark.parametrize("broken", ["outbox_key", "partial", "stats", "head", "log", "dead"])
def test_nothing_is_half_done_when_a_key_has_a_wrong_type(room, entry, ears, broken):
    key = getattr(room, broken)
    room.client.delete(key)
    room.client.set(key, "not yours")
    before = room.contents()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        room.retract(entry, 1)
    assert room.contents() == before
    assert ears.heard() == []
