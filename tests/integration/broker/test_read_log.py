"""read_log.lua on a real server: all that was missed, in order, or a word that it can't be told."""

from __future__ import annotations

import pytest

from chat.broker.base import LogRead
from chat.broker.log import NEWEST_ENTRIES
from tests.support.rooms import Room


def first_lines(read: LogRead) -> list[str]:
    """Return `new 1 2`: kind, first offset and count of each event."""
    found = []
    for event in read.events:
        kind, _, first, count, *_ = event.split(b"\n")[0].decode().split(" ")
        found.append(f"{kind} {first} {count}")
    return found


@pytest.fixture
def busy(room: Room) -> Room:
    """A room with the batches 1-2, 3, 4-6."""
    room.accept("a1", "a2")
    room.accept("b1")
    room.accept("c1", "c2", "c3")
    return room


def test_cold_is_answered_when_the_room_has_no_head(client):
    room = Room(client)
    assert room.reader.read(room.room_id) == LogRead("cold")
    assert room.reader.read(room.room_id, "abcdefgh", 3) == LogRead("cold")


def test_only_the_position_is_told_when_no_epoch_is_named(busy):
    assert busy.reader.read(busy.room_id) == LogRead("position", busy.epoch, 6, 6)


def test_positions_come_in_order_when_some_rooms_are_cold(busy):
    other = Room(busy.client, "other").warm(9)
    asked = ["coldroom", busy.room_id, "other"]
    assert busy.reader.positions(asked) == [("", 0), (busy.epoch, 6), (other.epoch, 0)]
    assert busy.reader.positions([]) == []


def test_foreign_is_answered_when_the_epoch_is_another(busy):
    assert busy.reader.read(busy.room_id, "otherone", 0) == LogRead("foreign", busy.epoch, 6, 6)


def test_ahead_is_answered_when_the_offset_is_not_reached(busy):
    assert busy.reader.read(busy.room_id, busy.epoch, 7).status == "ahead"


def test_nothing_is_missed_when_the_reader_is_at_the_end(busy):
    assert busy.reader.read(busy.room_id, busy.epoch, 6) == LogRead("complete", busy.epoch, 6, 6)


def test_all_events_come_in_order_when_the_reader_saw_none(busy):
    read = busy.reader.read(busy.room_id, busy.epoch, 0)
    assert (read.status, first_lines(read)) == ("complete", ["new 1 2", "new 3 1", "new 4 3"])
    assert read.events == tuple(fields[b"e"] for _, fields in busy.client.xrange(busy.log))


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (1, ["new 1 2", "new 3 1", "new 4 3"]),
        (2, ["new 3 1", "new 4 3"]),
        (4, ["new 4 3"]),
        (5, ["new 4 3"]),
    ],
)
def test_the_whole_batch_comes_when_the_reader_is_inside_it(busy, offset, expected):
    read = busy.reader.read(busy.room_id, busy.epoch, offset)
    assert (read.status, first_lines(read)) == ("complete", expected)


def test_retractions_are_among_the_events_when_a_message_was_given_up(busy):
    entry = busy.take()[0]
    busy.retract(entry, 2)
    read = busy.reader.read(busy.room_id, busy.epoch, 3)
    assert first_lines(read) == ["new 4 3", "retracted 7 1"]
    assert (read.offset, read.seq) == (7, 6)


def test_waiting_names_what_is_not_settled_when_entries_are_settled_in_part(busy):
    first, second, third = busy.take()
    assert busy.reader.read(busy.room_id, busy.epoch, 0).waiting == {1, 2, 3, 4, 5, 6}
    busy.confirm(third, 5)
    busy.confirm(second)
    busy.retract(first, 1)
    assert busy.reader.read(busy.room_id, busy.epoch, 0).waiting == {2, 4, 6}
    busy.confirm(third, 4, 6)
    busy.confirm(first)
    assert busy.reader.read(busy.room_id, busy.epoch, 0).waiting == frozenset()


def test_trimmed_is_answered_when_the_log_does_not_reach_back(room):
    for n in range(350):
        room.accept(f"t{n}", log_length=10)
    oldest = int(room.client.xrange(room.log, count=1)[0][0].split(b"-")[0])
    assert oldest > 1
    assert room.reader.read(room.room_id, room.epoch, oldest - 2).status == "trimmed"
    read = room.reader.read(room.room_id, room.epoch, oldest - 1)
    assert (read.status, len(read.events)) == ("complete", 351 - oldest)


def test_trimmed_is_answered_when_the_log_ran_out(busy):
    busy.client.delete(busy.log)
    assert busy.reader.read(busy.room_id, busy.epoch, 3).status == "trimmed"
    busy.accept("d1")
    assert busy.reader.read(busy.room_id, busy.epoch, 3).status == "trimmed"
    assert first_lines(busy.reader.read(busy.room_id, busy.epoch, 6)) == ["new 7 1"]


def test_trimmed_is_answered_when_an_event_is_missing_in_between(busy):
    busy.client.xdel(busy.log, "3-0")
    assert busy.reader.read(busy.room_id, busy.epoch, 0).status == "trimmed"
    assert busy.reader.read(busy.room_id, busy.epoch, 3).status == "complete"


def test_waiting_messages_are_found_when_they_are_not_settled(busy):
    found = busy.reader.waiting(busy.room_id, [2, 5, 99])
    assert {seq: each.temp_id for seq, each in found.items()} == {2: "a2", 5: "c2"}
    assert busy.reader.waiting(busy.room_id, []) == {}


def test_settled_messages_are_no_longer_waiting_when_their_entry_still_is(busy):
    first, _, third = busy.take()
    busy.retract(first, 1)
    busy.confirm(third, 5)
    assert set(busy.reader.waiting(busy.room_id, range(1, 7))) == {2, 3, 4, 6}


def test_waiting_messages_are_found_when_the_outbox_is_longer_than_one_reading(room):
    for n in range(505):
        room.accept(f"t{n}")
    assert set(room.reader.waiting(room.room_id, [1, 505])) == {1, 505}


def first_offsets(payloads: list[bytes]) -> list[int]:
    return [int(each.split(b" ", 3)[2]) for each in payloads]


def test_the_newest_up_to_an_offset_begin_with_the_batch_that_goes_on_behind_it(busy):
    assert first_offsets(busy.reader.newest(busy.room_id, 5)) == [4, 3, 1]
    assert first_offsets(busy.reader.newest(busy.room_id, 6)) == [4, 3, 1]


def test_the_newest_up_to_an_offset_are_found_when_any_number_of_batches_follow(busy):
    for number in range(2 * NEWEST_ENTRIES):
        busy.accept(f"later-{number}")
    assert first_offsets(busy.reader.newest(busy.room_id, 3))[1:] == [3, 1]


def test_the_newest_up_to_an_offset_are_bounded_when_many_came_before(busy):
    for number in range(2 * NEWEST_ENTRIES):
        busy.accept(f"later-{number}")
    assert len(busy.reader.newest(busy.room_id, 150)) == NEWEST_ENTRIES + 1
