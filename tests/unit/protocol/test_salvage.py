"""Frames whose grammar is right and whose content can't be passed on."""

from __future__ import annotations

import json

import pytest

from chat.protocol.salvage import HALF_A_PAIR, MEMBERS_LIMIT, OUT_OF_RANGE, SIZE_LIMIT_BYTES, salvage

SEND = b'{"event":"send-chat-message","data":{"roomId":"r","content":%s},"ack":7}'


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (SEND % rb'"cut \ud83d"', ("send-chat-message", 7, "content", HALF_A_PAIR)),
        (SEND % rb'{"a":["\udfff"]}', ("send-chat-message", 7, "content", HALF_A_PAIR)),
        (SEND % b"1e999", ("send-chat-message", 7, "content", OUT_OF_RANGE)),
        (rb'{"event":"a","data":{"\ud800":1},"ack":"b"}', ("a", "b", "data", HALF_A_PAIR)),
        (rb'{"event":"a","data":["\ud800"],"ack":"b"}', ("a", "b", "data", HALF_A_PAIR)),
        (rb'{"event":"a","data":{},"ack":"\ud800"}', ("a", None, "ack", HALF_A_PAIR)),
        (rb'{"event":"a","data":{},"ack":1e999}', ("a", None, "ack", OUT_OF_RANGE)),
        (rb'{"event":"\ud800","data":{},"ack":1}', (None, 1, "event", HALF_A_PAIR)),
        (rb'{"event":"a","other":"\ud800","ack":1}', ("a", 1, "frame", HALF_A_PAIR)),
    ],
)
def test_the_faulty_member_is_named_and_the_ack_is_kept(frame, told):
    assert salvage(frame) == told


TOO_LARGE = SEND % (b'"' + b"x" * SIZE_LIMIT_BYTES + rb"\ud800" + b'"')
UNREADABLE = [b"{", b"", b"\xff", b"[" * 9999, b"1e999", rb'["\ud800"]', SEND % b"NaN", SEND % b"-Infinity"]


@pytest.mark.parametrize("frame", [*UNREADABLE, TOO_LARGE, SEND % (b"9" * 5000), SEND % b'"fine"'])
def test_there_is_nothing_to_tell_of_what_is_no_json_object_or_too_large(frame):
    assert salvage(frame) is None


def test_members_beyond_the_first_ones_are_told_as_the_data_they_are_in():
    members = {f"n{n}": "\ud800" if n == MEMBERS_LIMIT else n for n in range(MEMBERS_LIMIT + 1)}
    frame = json.dumps({"event": "a", "data": members, "ack": 1}).encode()
    assert salvage(frame) == ("a", 1, "data", HALF_A_PAIR)
    assert salvage(frame.replace(b'"n0": 0, ', b"")) == ("a", 1, f"n{MEMBERS_LIMIT}", HALF_A_PAIR)
