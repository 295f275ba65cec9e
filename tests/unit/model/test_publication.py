from __future__ import annotations

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from chat.model.publication import (
    Confirmed,
    MembersChange,
    Origin,
    RoomEvents,
    TypingTold,
    UserEvents,
    read_members_change,
    read_room,
    read_user,
    typing_payload,
)
from chat.model.seen import SeenTold
from tests.support.drafts import draft
from tests.support.memory import MemoryBroker
from tests.support.rooms import Ears, Room


def test_messages_are_read_with_their_numbers_when_a_batch_is_published():
    payload = b'new e1 7 2 40 1-0\nann t1 1700\n{"a":1}\nbob t2 1800\n{"b":2}'
    assert read_room("r", payload) == RoomEvents(
        "new", "r", "e1", 7, [Origin(40, "ann", "t1", 1700, "e1"), Origin(41, "bob", "t2", 1800, "e1")],
        [b'{"a":1}', b'{"b":2}'],
    )  # fmt: skip


def test_a_retraction_names_the_messages_own_epoch_when_the_rooms_is_another():
    payload = b'retracted e2 9 1 40 e1\nann\n{"event":"message-retracted"}'
    assert read_room("r", payload) == RoomEvents(
        "retracted", "r", "e2", 9, [Origin(40, "ann", "", 0, "e1")], [b'{"event":"message-retracted"}']
    )


@pytest.mark.parametrize(
    ("payload", "messages"),
    [(b"confirmed e1 7:ann", [(7, "ann")]), (b"confirmed e1 7:ann 8:b.o-b_", [(7, "ann"), (8, "b.o-b_")])],
)
def test_a_confirmation_is_read_when_it_is_published(payload, messages):
    assert read_room("r", payload) == Confirmed("e1", messages)


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("node_id", ["", "n1"])
def test_that_somebody_types_is_read_as_it_was_written_when_it_is_published(is_on, node_id):
    payload = typing_payload("b.o-b_", b'{"a":1}', is_on=is_on, node_id=node_id)
    assert read_room("r", payload) == TypingTold("b.o-b_", is_on, b'{"a":1}', node_id)


def test_what_was_seen_is_read_when_it_is_published():
    found = read_room("r", b"seen bob 2 5 1700 1:aaaaaaaa 4:bbbbbbbb 4")
    assert found == SeenTold("bob", 2, 5, 1700, [(1, "aaaaaaaa"), (4, "bbbbbbbb")], frozenset({4}))


def test_a_users_events_are_read_one_frame_a_number_when_published():
    assert read_user(b"confirmed e1 r 7 9\n{1}\n{2}") == UserEvents(
        "confirmed", "e1", "r", [7, 9], [b"{1}", b"{2}"]
    )
    assert read_user(b"failed e1 r 7\n{1}") == UserEvents("failed", "e1", "r", [7], [b"{1}"])


@given(st.text(max_size=20))
def test_a_message_is_read_whole_when_its_content_is_anything(content):
    broker = MemoryBroker()
    broker.warm("room456", 0, [])
    sent = draft("t1")
    body = b'"content":' + msgspec.json.encode(content)
    broker.accept(type(sent)(sent.room_id, "ann", "t1", 5, "soon", body))
    [(room_id, payload)] = broker.published
    found = read_room(room_id, payload)
    assert isinstance(found, RoomEvents)
    assert len(found.frames) == len(found.origins) == 1
    assert found.frames[0].endswith(body + b"}}")


def test_what_the_scripts_publish_is_read_when_a_real_server_sends_it(redis_url):
    client = redis.Redis.from_url(redis_url, socket_timeout=5)
    room = Room(client).warm()
    ears = Ears(client)
    room.accept("t1", "t2")
    [entry] = room.take()
    room.confirm(entry, 1)
    room.retract(entry, 2)
    heard = ears.heard()
    ears.close()
    channel = [payload for name, payload in heard if name.startswith("chat:room:")]
    shown, confirmed, retracted = (read_room(room.room_id, payload) for payload in channel)
    assert isinstance(shown, RoomEvents)
    assert [(each.seq, each.epoch, each.temp_id) for each in shown.origins] == [
        (1, room.epoch, "t1"),
        (2, room.epoch, "t2"),
    ]
    assert confirmed == Confirmed(room.epoch, [(1, "ann")])
    assert isinstance(retracted, RoomEvents)
    assert (retracted.kind, retracted.first_offset) == ("retracted", 3)
    assert retracted.origins == [Origin(2, "ann", "", 0, room.epoch)]
    told = [read_user(payload) for name, payload in heard if name == "chat:user:ann"]
    assert [(each.kind, each.seqs, len(each.frames)) for each in told] == [
        ("confirmed", [1], 1),
        ("failed", [2], 1),
    ]


@pytest.mark.parametrize("cut", ["-", "*", "bob"])
def test_an_event_tells_whom_it_cuts_off_when_it_is_published(cut):
    payload = b'event e1 7 1 room-updated r 3\n%b\n{"event":"room-updated"}' % cut.encode()
    origin = Origin(0, "", "", 0, "e1")
    frame = b'{"event":"room-updated"}'
    assert read_room("r", payload) == RoomEvents("event", "r", "e1", 7, [origin], [frame], cut)


@pytest.mark.parametrize("users", [[], ["ann"], ["ann", "b.o-b_"]])
def test_a_change_of_members_is_read_as_it_was_written_when_it_is_published(users):
    change = MembersChange("r", "ann", "token", "node", users, b'{"a":1}')
    assert read_members_change(change.header() + change.frame) == change


@pytest.mark.parametrize("payload", [b"", b"changed", b"changed a b\n\n{}", b"other a b c d\n\n{}", b"\xff"])
def test_what_is_no_change_of_members_is_left_alone_when_it_is_published(payload):
    assert read_members_change(payload) is None
