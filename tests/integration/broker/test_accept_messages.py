"""accept_messages.lua on a real server: each status word, and what is true in Redis after it."""

from __future__ import annotations

import pytest
import redis

from chat.broker import keys
from chat.model.events import new_frame
from tests.support.rooms import CONFIRM_BY, Ears, Room, members


def test_cold_is_answered_when_the_room_has_no_head(client):
    room = Room(client)
    assert room.accept("t1") == ["cold"]
    assert room.contents() == {}


def test_messages_are_numbered_in_order_when_they_are_fresh(room):
    assert room.accept("t1", "t2") == ["ok", room.epoch, "accepted 1 1", "accepted 2 2"]
    assert room.accept("t3") == ["ok", room.epoch, "accepted 3 3"]
    assert room.client.hmget(room.head, "epoch", "seq", "offset") == [room.epoch.encode(), b"3", b"3"]


def test_one_outbox_entry_holds_the_batch_when_it_is_accepted(room):
    room.accept("t1", "t2")
    (entry,) = room.take()
    assert (entry.room_id, entry.epoch, entry.first_seq) == (room.room_id, room.epoch, 1)
    assert [(each.seq, each.sender_id, each.temp_id, each.members) for each in entry.messages] == [
        (1, "ann", "t1", b'"content":"says t1"'),
        (2, "ann", "t2", b'"content":"says t2"'),
    ]
    assert [each.accepted_ms for each in entry.messages] == [1_700_000_000_000] * 2


def test_one_publication_tells_the_batch_when_it_is_accepted(room: Room, ears: Ears):
    room.accept("t1", "t2")
    ((channel, payload),) = ears.heard()
    (entry,) = room.take()
    epoch = room.epoch
    frames = [new_frame("room456", n, epoch, n, CONFIRM_BY, members(f"says t{n}")).decode() for n in (1, 2)]
    assert channel == keys.room_channel(room.room_id)
    assert payload.decode().split("\n") == [
        f"new {epoch} 1 2 1 {entry.entry_id}",
        *("ann t1 1700000000000", frames[0]),
        *("ann t2 1700000000000", frames[1]),
    ]
    assert room.client.xrange(room.log) == [(b"2-0", {b"e": payload})]


def test_keys_live_as_long_as_promised_when_a_message_is_accepted(room):
    room.accept("t1")
    assert 86_390 <= room.client.ttl(room.dedupe("t1")) <= 86_400
    assert 604_790 <= room.client.ttl(room.head) <= 604_800
    assert room.client.ttl(room.outbox_key) == -1


def test_the_repeat_is_pending_when_it_is_in_the_same_batch(room):
    assert room.accept("t1", "t1", "t2")[2:] == [
        "accepted 1 1",
        f"duplicate pending 1 {room.epoch}",
        "accepted 2 2",
    ]


def test_the_repeat_is_pending_and_nothing_is_written_when_the_first_waits(room: Room, ears: Ears):
    room.accept("t1")
    ears.heard()
    before = room.contents()
    assert room.accept("t1")[2:] == [f"duplicate pending 1 {room.epoch}"]
    assert room.contents() == before
    assert ears.heard() == []


def test_the_repeat_is_confirmed_when_the_first_is_stored(room):
    room.accept("t1")
    room.confirm(*room.take())
    assert room.accept("t1", "t2")[2:] == [f"duplicate confirmed 1 {room.epoch}", "accepted 2 2"]


def test_each_repeat_tells_its_own_state_when_the_entry_is_settled_in_part(room):
    room.accept("t1", "t2")
    (entry,) = room.take()
    room.confirm(entry, 2)
    assert room.accept("t1", "t2")[2:] == [
        f"duplicate pending 1 {room.epoch}",
        f"duplicate confirmed 2 {room.epoch}",
    ]


def test_the_repeat_is_failed_with_its_error_when_the_failure_is_final(room):
    room.accept("t1")
    (entry,) = room.take()
    room.retract(entry, 1, retryable=False)
    assert room.accept("t1")[2:] == [f"duplicate failed 1 {room.epoch} refused too sad"]


def test_the_repeat_gets_a_new_number_when_the_failure_is_retryable(room):
    room.accept("t1")
    (entry,) = room.take()
    room.retract(entry, 1, retryable=True)
    # offset 2 was the retraction
    assert room.accept("t1", "t1")[2:] == ["accepted 2 3", f"duplicate pending 2 {room.epoch}"]
    assert [each.first_seq for each in room.take()] == [2]


@pytest.mark.parametrize(("sender", "room_id"), [("bob", "room456"), ("ann", "room457")])
def test_a_temp_id_is_fresh_when_another_sender_or_room_used_it(room, sender, room_id):
    room.accept("t1")
    other = Room(room.client, room_id).warm()
    assert other.accept("t1", sender=sender)[2].startswith("accepted ")


def test_overloaded_writes_nothing_when_the_outbox_is_at_its_limit(room: Room, ears: Ears):
    room.accept("t1", "t2")
    ears.heard()
    before = room.contents()
    assert room.accept("t3", limit=2) == ["ok", room.epoch, "overloaded"]
    assert room.contents() == before
    assert ears.heard() == []


def test_a_repeat_is_answered_when_the_outbox_is_at_its_limit(room):
    room.accept("t1")
    assert room.accept("t2", "t1", limit=1)[2:] == ["overloaded", f"duplicate pending 1 {room.epoch}"]


def test_a_batch_is_accepted_up_to_the_limit_when_it_is_longer(room):
    assert room.accept("t1", "t2", "t3", "t3", limit=2)[2:] == [
        *("accepted 1 1", "accepted 2 2"),
        *("overloaded", "overloaded"),
    ]
    (entry,) = room.take()
    assert len(entry.messages) == 2
    assert room.client.exists(room.dedupe("t3")) == 0


def test_the_limit_is_lifted_when_messages_are_settled(room):
    room.accept("t1", "t2")
    (entry,) = room.take()
    assert room.accept("t3", limit=2)[2:] == ["overloaded"]
    room.confirm(entry, 1)
    assert room.accept("t3", limit=2)[2:] == ["accepted 3 3"]
    room.retract(entry, 2)
    assert room.accept("t4", limit=2)[2:] == ["accepted 4 5"]


@pytest.mark.parametrize("broken", ["head", "log", "outbox_key", "stats"])
def test_nothing_is_half_done_when_a_key_has_a_wrong_type(room, broken):
    key = getattr(room, broken)
    room.client.delete(key)
    room.client.set(key, "not yours")
    before = room.contents()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        room.accept("t1")
    assert room.contents() == before


def test_the_message_is_accepted_when_its_dedupe_key_has_a_wrong_type(room):
    room.client.rpush(room.dedupe("t1"), "not yours")
    assert room.accept("t1")[2:] == ["accepted 1 1"]
    assert room.accept("t1")[2:] == [f"duplicate pending 1 {room.epoch}"]


def test_the_log_keeps_the_newest_batches_when_it_is_over_its_length(room):
    for n in range(350):
        room.accept(f"t{n}", log_length=10)
    kept = [int(entry_id.split(b"-")[0]) for entry_id, _ in room.client.xrange(room.log)]
    assert kept == list(range(351 - len(kept), 351))
    assert 10 <= len(kept) <= 110  # `~` drops whole nodes of 100 entries


def test_room_and_temp_id_are_taken_literally_when_they_hold_pattern_characters(client):
    room = Room(client, "a.b-c_%d".replace("%", "")).warm()
    assert room.accept("-.-", "..")[2:] == ["accepted 1 1", "accepted 2 2"]
    assert room.accept("-.-")[2:] == [f"duplicate pending 1 {room.epoch}"]


def test_senders_have_read_all_before_their_own_when_they_send(room):
    room.accept("t1", "t2")
    room.accept("t3", sender="bob")
    room.accept("t1")  # a repeat is no message
    assert room.client.hmget(room.head, "@ann", "@bob") == [b"2", b"3"]
