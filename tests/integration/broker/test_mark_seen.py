"""mark_seen.lua and its like on a real server: each status word, and that nothing goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.broker import keys, scripts
from chat.broker.marks import Marks, Recounts, by_room, unstored
from chat.broker.reading import RedisReading
from chat.model.clock import ms_of
from chat.model.cursor import UNKNOWN, Cursor, Standing
from chat.model.publication import read_room
from chat.model.seen import SeenTold

ROOM = "room456"


@pytest.fixture
def reading(client) -> RedisReading:
    return RedisReading(client)


@pytest.fixture
def read(room, reading):
    """Five messages of ann, and bob, who has read nothing."""
    room.accept(*(f"t{n}" for n in range(1, 6)))
    reading.load({(ROOM, "bob"): Cursor(), (ROOM, "ann"): Cursor()})
    return reading


def seen_of(ears: Any) -> list[SeenTold]:
    """Return what the room was told to be seen."""
    told = [read_room(ROOM, payload) for channel, payload in ears.heard() if channel == keys.room_channel(ROOM)]
    return [each for each in told if isinstance(each, SeenTold)]


def data_of(seen: SeenTold) -> dict[str, Any]:
    """Return what clients are told."""
    data: dict[str, Any] = json.loads(seen.frame(ROOM))["data"]
    return data


def test_a_cold_room_and_an_unknown_cursor_are_told(client, room, reading):
    assert reading.mark("elsewhere", "bob", 1).status == "cold"
    assert reading.mark(ROOM, "bob", 1).status == "unloaded"
    assert reading.count([("elsewhere", "bob"), (ROOM, "bob")]) == {
        ("elsewhere", "bob"): "cold",
        (ROOM, "bob"): "unloaded",
    }


def test_mentions_are_unknown_until_they_are_noted_and_their_number_only_rises(read):
    def mentioned(user_id: str) -> int:
        return read.count([(ROOM, user_id)])[ROOM, user_id].mentioned_seq

    assert mentioned("bob") == UNKNOWN
    for newest, known in ((0, 0), (3, 3), (2, 3)):
        read.note_mentions({ROOM: newest})
        assert (mentioned("bob"), mentioned("ann")) == (known, known)


def test_nothing_is_noted_of_a_room_that_redis_does_not_know(client, read):
    read.note_mentions({"elsewhere": 4, ROOM: 4})
    assert not client.exists(keys.head("elsewhere"))
    assert client.hget(keys.head(ROOM), "mentioned") == b"4"


def test_note_mentions_tells_how_many_rooms_know_more(client, read):
    note = client.register_script(scripts.load("note_mentions").source)
    assert note([keys.head(ROOM)], [2]) == [b"noted", 1]
    assert note([keys.head(ROOM)], [2]) == [b"noted", 0]


def test_a_users_rooms_and_standings_come_in_one_round_trip(client, read, monkeypatch):
    client.sadd(keys.user_rooms("bob"), ROOM, "elsewhere")
    assert read.look("bob", [ROOM, "elsewhere"]) == (
        {ROOM, "elsewhere"},
        {(ROOM, "bob"): Standing(0, 5, 5), ("elsewhere", "bob"): "cold"},
    )
    made, pipeline = [], client.pipeline

    def counted(**options):
        made.append(1)
        return pipeline(**options)

    monkeypatch.setattr(client, "pipeline", counted)
    assert read.look("eve", [ROOM]) == (set(), {(ROOM, "eve"): "unloaded"})
    assert len(made) == 1


def test_a_cursor_only_rises_and_never_beyond_the_last_message(read):
    assert read.mark(ROOM, "bob", 3) == ("raised", Standing(3, 5, 2))
    assert read.mark(ROOM, "bob", 2) == ("unchanged", Standing(3, 5, 2))
    assert read.mark(ROOM, "bob", 3) == ("unchanged", Standing(3, 5, 2))
    assert read.mark(ROOM, "bob", 10**15) == ("raised", Standing(5, 5, 0))


def test_the_room_is_told_once_with_the_newly_seen_ids(room, read, ears):
    read.mark(ROOM, "bob", 2)
    read.mark(ROOM, "bob", 4)
    read.mark(ROOM, "bob", 4)
    found = seen_of(ears)
    assert [(each.user_id, each.shown_seq, each.up_to_seq) for each in found] == [("bob", 0, 2), ("bob", 2, 4)]
    told = data_of(found[1])
    assert told["messageIds"] == [f"{ROOM}.4.{room.epoch}", f"{ROOM}.3.{room.epoch}"]
    assert (told["roomId"], told["userId"], told["upToSeq"]) == (ROOM, "bob", 4)
    assert ms_of(told["seenAt"]) == read.cursors(ROOM, ["bob"])["bob"].seen_ms


def test_the_newest_200_are_named_when_many_are_seen(room, read, ears):
    room.accept(*(f"m{n}" for n in range(100)))
    for start in range(3):
        room.accept(*(f"n{start}-{n}" for n in range(100)))
    read.mark(ROOM, "bob", 405)
    (seen,) = seen_of(ears)
    assert data_of(seen)["messageIds"] == [f"{ROOM}.{seq}.{room.epoch}" for seq in range(405, 205, -1)]


def test_what_is_published_does_not_grow_with_the_number_of_messages(client, room, read, ears):
    client.hset(room.head, "seq", 10**6)
    read.mark(ROOM, "bob", 10**6)
    (payload,) = [payload for channel, payload in ears.heard() if channel == keys.room_channel(ROOM)]
    assert payload.split() == [b"seen", b"bob", b"0", b"1000000", payload.split()[4], f"1:{room.epoch}".encode()]


def test_numbers_that_stand_for_no_message_are_left_out_where_ids_are_named(client, room, read, ears):
    client.hset(room.head, "seq", 3000)
    read.remove(ROOM, [1999, 2000, 2001, 2998, 3000])
    read.mark(ROOM, "bob", 2999)
    read.mark(ROOM, "bob", 3000)
    first, second = seen_of(ears)
    assert [sorted(each.removed) for each in (first, second)] == [[2000, 2001, 2998], [3000]]
    assert data_of(first)["messageIds"][:2] == [f"{ROOM}.2999.{room.epoch}", f"{ROOM}.2997.{room.epoch}"]
    assert (data_of(second)["messageIds"], data_of(second)["upToSeq"]) == ([], 3000)


def test_nobody_is_told_when_one_reads_in_private(read, ears):
    read.mark(ROOM, "bob", 2)
    assert read.mark(ROOM, "bob", 4, is_private=True).standing == Standing(4, 5, 1)
    assert len(ears.heard()) == 1
    assert read.cursors(ROOM, ["bob", "eve"])["bob"] == Cursor(4, 2, read.cursors(ROOM, ["bob"])["bob"].seen_ms)
    assert read.mark(ROOM, "bob", 4).status == "raised"  # for the others
    assert len(ears.heard()) == 1


def test_a_message_is_checked_when_it_is_named(client, room, read):
    assert read.mark(ROOM, "bob", 2, epoch="zzzzzzzz").status == "unknown"
    assert read.mark(ROOM, "bob", 6, epoch=room.epoch).status == "unknown"
    assert read.mark(ROOM, "bob", 2, epoch=room.epoch).status == "raised"
    client.hset(room.head, "epochs", f"4:{room.epoch}")
    assert read.mark(ROOM, "bob", 3, epoch=room.epoch).status == "unsure"
    assert read.mark(ROOM, "bob", 4, epoch=room.epoch).status == "raised"
    client.hset(room.head, "epochs", f" 1:aaaaaaaa 5:{room.epoch}")
    assert read.mark(ROOM, "bob", 4, epoch=room.epoch).status == "unknown"
    assert read.mark(ROOM, "bob", 4, epoch="aaaaaaaa").status == "unchanged"
    assert read.mark(ROOM, "bob", 5, epoch="aaaaaaaa").status == "unknown"
    assert read.mark(ROOM, "bob", 5, epoch=room.epoch).status == "raised"


def test_ids_of_older_epochs_are_told_when_the_room_was_warmed_again(client, room, ears):
    sent = [("ann", "t1", 1, "aaaaaaaa"), ("ann", "t2", 2, "bbbbbbbb"), ("bob", "t3", 3, "bbbbbbbb")]
    client.delete(room.head)
    room.reader.warm(ROOM, 3, sent, removed=[2])
    room.accept("t9")
    reading = RedisReading(client)
    reading.load({(ROOM, "bob"): Cursor()})
    assert reading.mark(ROOM, "bob", 4).standing == Standing(4, 4, 0)
    (seen,) = seen_of(ears)
    assert data_of(seen)["messageIds"] == [
        f"{ROOM}.4.{room.epoch}",
        f"{ROOM}.3.bbbbbbbb",
        f"{ROOM}.1.aaaaaaaa",
    ]


def test_ones_own_messages_are_read_when_they_are_sent(room, read):
    room.accept("b1", sender="bob")
    assert read.count([(ROOM, "bob"), (ROOM, "ann")]) == {
        (ROOM, "bob"): Standing(6, 6, 0),
        (ROOM, "ann"): Standing(5, 6, 1),
    }
    assert read.mark(ROOM, "bob", 2).standing == Standing(6, 6, 0)


def test_removed_numbers_are_not_counted(client, room, read):
    assert read.remove("elsewhere", [1]) is None
    assert read.remove(ROOM, [2, 4]) == 2
    assert read.remove(ROOM, [4]) == 0
    assert read.count([(ROOM, "bob")])[ROOM, "bob"] == Standing(0, 5, 3)
    assert read.mark(ROOM, "bob", 3).standing == Standing(3, 5, 1)
    assert read.removed_of(ROOM) == {2, 4}
    assert {field for field in client.hgetall(keys.unstored(room.shard)) if b"#" in field} == {
        b"room456 #2",
        b"room456 #4",
    }


def test_a_retracted_number_is_not_counted(room, read):
    (entry,) = room.take()
    room.retract(entry, 2)
    assert read.count([(ROOM, "bob")])[ROOM, "bob"] == Standing(0, 5, 4)


def test_no_cursor_is_loaded_below_what_waits_to_be_stored(client, room, read):
    read.mark(ROOM, "bob", 4)
    client.delete(keys.read(ROOM))
    read.load({(ROOM, "bob"): Cursor(2, 2, 5)})
    found = read.cursors(ROOM, ["bob"])["bob"]
    assert (found.read_seq, found.shown_seq) == (4, 4)
    read.load({(ROOM, "bob"): Cursor(1, 1, 1)})  # another caller was first
    assert read.cursors(ROOM, ["bob"])["bob"] == found


def test_counters_that_a_mark_makes_stale_are_dropped(client, read):
    client.set("chat:unread:bob:room456", 5)
    client.set("chat:total_unread:bob", 5)
    read.mark(ROOM, "bob", 1)
    assert client.exists("chat:unread:bob:room456", "chat:total_unread:bob") == 0


def test_a_mark_stays_when_it_was_set_anew_while_it_was_done(client):
    marks = Marks(client, ["chat:recount"])
    client.hset("chat:recount", mapping={"r a": "1", "r b": "1"})
    taken = marks.take(10)
    assert taken == {"chat:recount": {"r a": "1", "r b": "1"}}
    client.hset("chat:recount", "r b", "2")
    assert marks.settle(taken) == 1
    assert marks.take(10) == {"chat:recount": {"r b": "2"}}
    assert marks.waiting() == 1


def test_asking_again_is_another_asking(client):
    recounts = Recounts(client)
    recounts.mark([])
    recounts.mark(["r a"])
    taken = recounts.take(10)
    recounts.mark(["r a"])
    assert recounts.settle(taken) == 0


def test_many_marks_are_one_note_for_the_store(client, room, read):
    for seq in range(1, 6):
        read.mark(ROOM, "bob", seq)
    taken = unstored(client).take(10)
    ((user_id, value),) = by_room(taken)[ROOM]
    assert user_id == "bob"
    assert value.startswith("5 5 ")
