"""read_fates.lua on a real server: what became of each temp id."""

from __future__ import annotations

from chat.broker.base import Fate
from tests.support.rooms import Room


def test_each_fate_is_told_in_order_when_all_states_are_asked_for(room: Room):
    room.accept("kept", "waits", "refused", "again")
    room.accept("stored")
    epoch = room.epoch
    batch, single = room.take()
    room.confirm(single)
    room.confirm(batch, 1)
    room.retract(batch, 3, retryable=False)
    room.retract(batch, 4, retryable=True)
    asked = ["waits", "stored", "never", "again", "kept", "refused"]
    assert room.reader.fates(room.room_id, [("ann", each) for each in asked]) == [
        Fate("pending", 2, epoch),
        Fate("confirmed", 5, epoch),
        Fate("unknown"),
        Fate("failed", 4, epoch, "refused", "too sad", retryable=True),
        Fate("confirmed", 1, epoch),
        Fate("failed", 3, epoch, "refused", "too sad", retryable=False),
    ]


def test_the_fate_is_unknown_when_another_sender_is_asked_for(room):
    room.accept("t1")
    assert room.reader.fates(room.room_id, [("bob", "t1")]) == [Fate("unknown")]


def test_the_fate_follows_the_resend_when_a_failed_one_is_accepted_anew(room):
    room.accept("t1")
    (entry,) = room.take()
    room.retract(entry, 1, retryable=True)
    room.accept("t1")
    assert room.reader.fates(room.room_id, [("ann", "t1")]) == [Fate("pending", 2, room.epoch)]


def test_there_are_no_fates_when_none_are_asked_for(room):
    assert room.reader.fates(room.room_id, []) == []


def test_fates_are_told_when_redis_lost_its_scripts(room):
    room.accept("t1")
    room.reader.fates(room.room_id, [("ann", "t1")])
    room.client.script_flush()
    assert room.reader.fates(room.room_id, [("ann", "t1")])[0].state == "pending"
