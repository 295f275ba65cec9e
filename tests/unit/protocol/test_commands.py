"""What a command's record takes: its names in both spellings, data that may be left out."""

from __future__ import annotations

import pytest

from chat.errors import InvalidRequest
from chat.protocol import codec, commands
from chat.protocol.fields import Position

SEND = {"roomId": "r", "content": "hi"}
BOTH_SPELLINGS = [
    ("join-chat-rooms", "roomIds", "room_ids", ["a", "b"], lambda data: data.rooms),
    ("leave-chat-rooms", "roomIds", "room_ids", ["a"], lambda data: data.rooms),
    ("send-chat-message", "roomId", "room_id", "a", lambda data: data.room),
    ("get-messages", "roomId", "room_id", "a", lambda data: data.room),
    ("get-send-fate", "roomId", "room_id", "a", lambda data: data.room),
    ("get-send-fate", "temp_ids", "tempIds", ["t1"], lambda data: data.sent),
    ("get-presence", "userIds", "user_ids", ["u1"], lambda data: data.users),
]


@pytest.mark.parametrize(("event", "name", "other", "value", "read"), BOTH_SPELLINGS)
def test_a_name_is_taken_in_both_spellings_when_it_is_sent(event, name, other, value, read):
    rest = {"content": "hi"} if event.startswith("send") else {}
    for spelling in (name, other):
        assert read(codec.decode(codec.event_frame(event, {**rest, spelling: value})).data) == value


@pytest.mark.parametrize(("event", "name", "other", "value", "read"), BOTH_SPELLINGS)
def test_the_missing_name_is_told_when_neither_spelling_is_sent(event, name, other, value, read):
    rest = {"content": "hi"} if event.startswith("send") else {}
    with pytest.raises(InvalidRequest) as caught:
        read(codec.decode(codec.event_frame(event, rest)).data)
    assert caught.value.field == name


@pytest.mark.parametrize(("one", "other"), [("temp_id", "tempId"), ("reply_to", "replyTo")])
def test_optional_names_are_taken_in_both_spellings_when_they_are_sent(one, other):
    for name in (one, other):
        command = codec.decode(codec.event_frame("send-chat-message", {**SEND, name: "x"}))
        assert isinstance(command, commands.Send)
        assert getattr(command.data, name) == "x"
        assert codec.decode(codec.event_frame("send-chat-message", {**SEND, name: None}))


def test_data_may_be_left_out_when_an_event_needs_none():
    assert codec.decode(b'{"event":"heartbeat"}') == commands.Heartbeat()
    assert codec.decode(b'{"event":"heartbeat","data":{"x":1}}') == commands.Heartbeat()


def test_a_position_is_read_when_a_client_comes_back():
    command = codec.decode(
        codec.event_frame("join-chat-rooms", {"roomIds": ["a"], "since": {"a": {"epoch": "e", "offset": 0}}})
    )
    assert isinstance(command, commands.Join)
    assert command.data.since == {"a": Position("e", 0)}


def test_a_join_that_says_there_is_no_place_to_resume_from_is_taken() -> None:
    command = codec.decode(codec.event_frame("join-chat-rooms", {"roomIds": ["a"], "since": None}))
    assert isinstance(command, commands.Join)
    assert command.data.since is None
