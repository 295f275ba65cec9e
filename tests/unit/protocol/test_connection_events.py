"""What the codec writes to a connection is what these records say."""

from __future__ import annotations

import msgspec
import pytest

from chat.errors import BrokerUnavailable, RateLimited
from chat.protocol import codec
from chat.protocol.connection_events import Ack, Closing, Error, HeartbeatAnswer

FRAMES = [
    (codec.ack_frame(7, {"n": 1}), Ack),
    (codec.refusal_frame(RateLimited("slow down", retry_after_s=1.5), "heartbeat", "a1"), Ack),
    (codec.refusal_frame(BrokerUnavailable("join"), "join-chat-rooms", None), Error),
    (codec.closing_frame(4008, "reader too slow", after_ms=1000), Closing),
    (codec.event_frame("heartbeat", {"serverTime": "2026-01-02T03:04:05.678Z"}), HeartbeatAnswer),
]


@pytest.mark.parametrize(("frame", "record"), FRAMES, ids=lambda each: getattr(each, "__name__", None))
def test_a_frame_is_what_is_declared(frame: bytes, record: type[msgspec.Struct]) -> None:
    told = msgspec.json.decode(frame, type=record)
    assert msgspec.json.decode(msgspec.json.encode(told)) == msgspec.json.decode(frame)
