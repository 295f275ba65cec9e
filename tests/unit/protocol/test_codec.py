from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.errors import BrokerUnavailable, InvalidRequest, RateLimited
from chat.protocol import codec, commands

SEND = {"roomId": "r", "content": "hi"}


def refused(payload: bytes) -> codec.Refused:
    with pytest.raises(codec.Refused) as caught:
        codec.decode(payload)
    return caught.value


def frame(event: str, data: Any, **more: Any) -> bytes:
    return json.dumps({"event": event, "data": data, **more}).encode()


def nested(depth: int) -> bytes:
    return b'{"event":"heartbeat","data":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


# Anything at all is either a command or refused, and a refusal can be told.
WORDS = st.sampled_from(
    [
        *commands.EVENTS,
        "event",
        "data",
        "ack",
        "roomId",
        "room_ids",
        "since",
        "content",
        "metadata",
        "epoch",
        "offset",
        "a",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)
FRAMES = st.fixed_dictionaries({}, optional={"event": WORDS | VALUES, "data": VALUES, "ack": VALUES})


def outcome_of(payload: bytes) -> Any:
    """Return the command or the refusal; whatever else is raised fails the test."""
    try:
        return codec.decode(payload)
    except codec.Refused as refused:
        return refused


def is_command(outcome: Any) -> bool:
    return not isinstance(outcome, codec.Refused) and type(outcome).__struct_config__.tag in commands.EVENTS


def is_refusal(outcome: Any) -> bool:
    """Tell whether it is a refusal that names the field at fault, and can be told."""
    if not isinstance(outcome, codec.Refused):
        return False
    frame = json.loads(codec.refusal_frame(outcome.cause, outcome.event, outcome.ack))
    return outcome.cause.code == "invalid" and bool(outcome.cause.field) and bool(frame)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x00")
@example(b"\xff\xfe{")
@example(b"[" * 100_000)
@example(b'{"event":' * 50_000)
@example(nested(100_000))
@example(b'{"event":"heartbeat","ack":' + b"1" * 10_000 + b"}")
@example(b'{"event":"heartbeat","ack":1e999}')
@example(b'{"event":"heartbeat","data":{"x":"\\ud800"}}')
@example(b'{"event":"\\ud800"}')
def test_arbitrary_bytes_are_refused_and_nothing_else_is_raised_when_they_are_decoded(payload):
    outcome = outcome_of(payload)
    assert is_command(outcome) or is_refusal(outcome)


@given(FRAMES)
def test_arbitrary_json_is_taken_or_refused_and_nothing_else_is_raised_when_it_is_decoded(value):
    outcome = outcome_of(json.dumps(value).encode())  # also NaN, Infinity and lone surrogates
    assert is_command(outcome) or is_refusal(outcome)


@given(st.sampled_from(commands.EVENTS), VALUES, VALUES)
def test_known_events_are_taken_or_refused_when_their_data_is_anything(event, data, ack):
    outcome = outcome_of(json.dumps({"event": event, "data": data, "ack": ack}).encode())
    assert is_command(outcome) or is_refusal(outcome)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "frame"),
        (b"{", "frame"),
        (b'{"event":"heartbeat",}', "frame"),
        (b'{"event":"heartbeat"} x', "frame"),
        (b"[]", "frame"),
        (b'"heartbeat"', "frame"),
        (b"null", "frame"),
        (b"7", "frame"),
        (nested(50_000), "frame"),
        (b'{"data":{}}', "event"),
        (b'{"event":null}', "event"),
        (b'{"event":7}', "event"),
        (b'{"event":"no-such-event"}', "event"),
        (b'{"event":"Heartbeat"}', "event"),
        (b'{"event":"heartbeat","ack":1.5}', "ack"),
        (b'{"event":"heartbeat","ack":true}', "ack"),
        (b'{"event":"heartbeat","ack":[1]}', "ack"),
        (b'{"event":"heartbeat","ack":{}}', "ack"),
        (b'{"event":"heartbeat","ack":1e999}', "ack"),
        (b'{"event":"heartbeat","data":7}', "data"),
        (b'{"event":"join-chat-rooms"}', "data"),
        (b'{"event":"join-chat-rooms","data":null}', "data"),
        (b'{"event":"send-chat-message","data":[]}', "data"),
        (frame("send-chat-message", {"roomId": "r"}), "content"),
        (frame("send-chat-message", {**SEND, "content": 7}), "content"),
        (frame("send-chat-message", {**SEND, "content": None}), "content"),
        (frame("send-chat-message", {**SEND, "roomId": 7}), "roomId"),
        (frame("send-chat-message", {**SEND, "roomId": None}), "roomId"),
        (frame("send-chat-message", {**SEND, "roomId": ""}), "roomId"),
        (frame("send-chat-message", {**SEND, "roomId": "a b"}), "roomId"),
        (frame("send-chat-message", {**SEND, "roomId": "a\n"}), "roomId"),
        (frame("send-chat-message", {**SEND, "roomId": "a:b"}), "roomId"),
        (frame("send-chat-message", {**SEND, "roomId": "é"}), "roomId"),
        (frame("send-chat-message", {**SEND, "roomId": "x" * 65}), "roomId"),
        (frame("send-chat-message", {"content": "hi", "room_id": "{r}"}), "room_id"),
        (frame("send-chat-message", {**SEND, "temp_id": "*"}), "temp_id"),
        (frame("send-chat-message", {**SEND, "tempId": 5}), "tempId"),
        (frame("send-chat-message", {**SEND, "reply_to": 5}), "reply_to"),
        (frame("send-chat-message", {**SEND, "attachments": {}}), "attachments"),
        (frame("send-chat-message", {**SEND, "attachments": ["x"]}), "attachments"),
        (frame("send-chat-message", {**SEND, "metadata": []}), "metadata"),
        (b'{"event":"send-chat-message","data":{"roomId":"r","content":"x","metadata":{"a":1e999}}}', "metadata"),
        (b'{"event":"send-chat-message","data":{"roomId":"r","content":"x","metadata":{"a":NaN}}}', "frame"),
        (b'{"event":"send-chat-message","data":{"roomId":"r","content":"\\ud800"}}', "content"),
        (b'{"event":"send-chat-message","data":{"roomId":"r","content":"\xff"}}', "frame"),
        (frame("join-chat-rooms", {"roomIds": "a"}), "roomIds"),
        (frame("join-chat-rooms", {"roomIds": ["a", "b c"]}), "roomIds"),
        (frame("join-chat-rooms", {"roomIds": ["a"], "since": {"a": 7}}), "since"),
        (frame("join-chat-rooms", {"roomIds": ["a"], "since": {"a": {"epoch": 1, "offset": 2}}}), "since"),
        (frame("join-chat-rooms", {"roomIds": ["a"], "since": {"a": {"epoch": "e", "offset": -1}}}), "since"),
        (frame("join-chat-rooms", {"roomIds": ["a"], "since": {"a": {"epoch": "e", "offset": 2**54}}}), "since"),
        (frame("get-messages", {"roomId": "r", "limit": 0}), "limit"),
        (frame("get-messages", {"roomId": "r", "limit": 201}), "limit"),
        (frame("get-messages", {"roomId": "r", "limit": "5"}), "limit"),
        (frame("get-messages", {"roomId": "r", "before": -1}), "before"),
        (frame("get-messages", {"roomId": "r", "after": 1.5}), "after"),
        (frame("get-send-fate", {"roomId": "r", "temp_ids": ["t"] * 501}), "temp_ids"),
        (frame("get-send-fate", {"roomId": "r", "temp_ids": "t"}), "temp_ids"),
        (frame("get-presence", {"userIds": ["u"] * 201}), "userIds"),
        (frame("get-presence", {"user_ids": ["a b"]}), "user_ids"),
    ],
)  # fmt: skip
def test_the_right_field_is_named_when_a_frame_is_faulty(payload, field):
    assert refused(payload).cause.field == field


def test_the_event_and_the_ack_are_kept_when_a_frame_is_refused():
    told = refused(frame("send-chat-message", {"roomId": "r"}, ack="a1"))
    assert (told.event, told.ack) == ("send-chat-message", "a1")
    told = refused(frame("no-such-event", {}, ack=0))
    assert (told.event, told.ack) == ("no-such-event", 0)
    told = refused(frame("x" * 65, {}, ack=[1]))
    assert (told.event, told.ack) == (None, None)


@pytest.mark.parametrize("ack", [0, 1, -1, 2**53, 10**30, "", "a1", "é"])
def test_an_ack_comes_back_as_it_was_when_the_request_is_answered(ack):
    command = codec.decode(frame("heartbeat", {}, ack=ack))
    assert command.ack == ack
    assert json.loads(codec.ack_frame(command.ack, {"n": 1})) == {
        "event": "ack",
        "data": {"ack": ack, "ok": True, "result": {"n": 1}},
    }


@pytest.mark.parametrize("ack", [0, "", "a1"])
def test_a_refusal_is_an_ack_when_one_was_asked_for(ack):
    told = json.loads(codec.refusal_frame(InvalidRequest("no", field="content"), "send-chat-message", ack))
    assert told == {
        "event": "ack",
        "data": {"ack": ack, "ok": False, "error": {"code": "invalid", "message": "no", "field": "content"}},
    }


def test_a_refusal_is_an_error_event_when_no_ack_was_asked_for():
    told = json.loads(codec.refusal_frame(InvalidRequest("no", field="content"), "send-chat-message", None))
    assert told == {
        "event": "error",
        "data": {"code": "invalid", "message": "no", "field": "content", "event": "send-chat-message"},
    }


def test_a_sender_hears_when_to_try_again_when_it_is_too_fast():
    for wait_s, told_s in [(0.12345, 0.124), (0.0002, 0.001), (1.5, 1.5)]:  # never too early
        assert codec.error_body(RateLimited("slow down", retry_after_s=wait_s))["retryAfter"] == told_s


def test_a_failure_says_that_it_may_be_tried_again_when_it_is_temporary():
    told = json.loads(codec.message_failed_frame("t1", "r", BrokerUnavailable("accept")))
    assert told["event"] == "message-failed"
    assert (told["data"]["tempId"], told["data"]["roomId"], told["data"]["error"]["retryable"]) == (
        "t1",
        "r",
        True,
    )
