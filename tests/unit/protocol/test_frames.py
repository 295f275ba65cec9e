"""Frames: what a client sends becomes the same events however it is cut, and faults earn the right code."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Opcode
from websockets.frames import Frame as TheirFrame
from websockets.protocol import Protocol, Side, State
from websockets.utils import apply_mask

from chat.protocol.frames import (
    Binary,
    Closed,
    Event,
    Fault,
    FrameReader,
    Ping,
    Pong,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)
from tests.support.frame_reading import LIMIT, read
from tests.support.raw_client import BINARY, CLOSE, MASK, PING, PONG, TEXT, frame
from tests.support.raw_client import CONTINUATION as CONT

STREAM = (
    frame(TEXT, b"one")
    + frame(PING, b"p")
    + frame(TEXT)
    + frame(TEXT, "é".encode()[:1], fin=False)
    + frame(PONG)
    + frame(CONT, "é".encode()[1:], fin=False)
    + frame(CONT)
    + frame(TEXT, b"y" * 200)
    + frame(BINARY, b"\x00\xff")
    + frame(BINARY, b"\x01", fin=False)
    + frame(CONT, b"\x02")
    + frame(TEXT, b"z" * LIMIT)
    + frame(CLOSE, b"\x0f\xa1bye")
)
EVENTS: list[Event] = [
    b"one", Ping(b"p"), b"", Pong(b""), "é".encode(), b"y" * 200,
    Binary(b"\x00\xff"), Binary(b"\x01\x02"), b"z" * LIMIT, Closed(4001, "bye"),
]  # fmt: skip


def test_stream_becomes_its_events_when_fed_whole() -> None:
    assert read(STREAM) == EVENTS


def test_events_are_the_same_when_cut_anywhere() -> None:
    for cut in range(len(STREAM)):
        assert read(STREAM[:cut], STREAM[cut:]) == EVENTS, cut


@pytest.mark.parametrize("size", [125, 200, 70_000])
def test_message_is_whole_when_its_first_piece_looks_like_a_short_frame(size: int) -> None:
    sent = frame(TEXT, b"y" * size)
    for cut in range(1, 140):
        assert read(sent[:cut], sent[cut:], limit=size) == [b"y" * size], cut


def test_events_are_the_same_when_fed_byte_by_byte() -> None:
    assert read(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == EVENTS


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_events_are_the_same_when_cut_often(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:stop] for start, stop in pairwise(edges)]
    assert read(*pieces) == EVENTS


def test_every_frame_is_counted_when_fragments_make_no_message() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(frame(TEXT, fin=False) + frame(CONT, fin=False) * 5 + frame(PING) + frame(CONT, b"x")[:3])
    assert reader.frames == 7
    reader.feed(frame(CONT, b"x")[3:])
    assert reader.frames == 1
    reader.feed(frame(TEXT, b"x"))
    assert reader.frames == 1
    reader.feed(frame(TEXT, b"x")[:1])
    assert reader.frames == 0


@pytest.mark.parametrize("size", [125, 126, 65535, 65536])
def test_message_at_the_limit_is_taken_and_one_byte_more_is_1009(size: int) -> None:
    assert read(frame(TEXT, b"x" * size), limit=size) == [b"x" * size]
    too_big = frame(TEXT, b"x" * (size + 1))
    for sent in (too_big, too_big[:14]):  # the header is enough
        assert [event.code for event in read(sent, limit=size) if isinstance(event, Fault)] == [1009]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"x" * 200, fin=False) + frame(CONT, b"x" * 101)[:8], 1009),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),  # a lone surrogate
        (frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"\xc3", fin=False), 1007),  # before the message ends
        (frame(TEXT, b"\xc3", fin=False) + frame(CONT), 1007),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(CLOSE, masked=False), 1002),
        (frame(TEXT, b"x", rsv=4), 1002),
        (frame(PING, rsv=1), 1002),
        (frame(3), 1002),
        (frame(11), 1002),
        (frame(CONT), 1002),
        (frame(TEXT, fin=False) + frame(TEXT), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, fin=False), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        *((frame(CLOSE, code.to_bytes(2)), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)),
        (frame(TEXT, b"\xc0\xaf"), 1007),  # a slash in two bytes: overlong
        (frame(TEXT, b"\xe0\x80\xaf"), 1007),
        (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),  # beyond U+10FFFF
        (frame(TEXT, b"\xf0\x9f\x98"), 1007),  # a character that does not end
        (frame(TEXT, b"a", fin=False) + frame(PING, fin=False), 1002),
        (frame(TEXT, b"a", fin=False) + frame(CLOSE, b"\x03"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002),
        (b"\x81\xfe\x00\x7d" + bytes(4 + 125), 1002),  # 125 in two bytes of length
        (b"\x01\xfe\x00\x00" + bytes(4), 1002),
        (b"\x81\xff" + (65535).to_bytes(8) + bytes(4), 1002),  # 65535 in eight
        (b"\x82\xff\x80" + bytes(7 + 4), 1002),  # the highest bit set
        (b"\x82\xff" + b"\xff" * 12, 1002),
        (b"\x82\xff\x7f" + b"\xff" * 7 + bytes(4), 1009),
        (b"\x89\xfe\x00\x05" + bytes(4 + 5), 1002),
    ],
)
def test_fault_earns_its_code_and_ends_the_stream(sent: bytes, code: int) -> None:
    for pieces in (
        [sent + frame(TEXT, b"later")],
        [*(sent[i : i + 1] for i in range(len(sent))), frame(TEXT)],
    ):
        events = read(*pieces)
        assert [event.code for event in events if isinstance(event, Fault)] == [code]
        assert isinstance(events[-1], Fault)


def test_close_keeps_its_code_when_it_comes_between_fragments() -> None:
    sent = frame(TEXT, b"a", fin=False) + frame(CLOSE, b"\x03\xe8") + frame(CONT, b"b")
    assert read(sent) == [Closed(1000, "")]


def test_a_short_frame_at_once_and_a_length_that_is_too_long_are_told_apart() -> None:
    assert read(b"\x81\xfe\x00\x7d" + MASK + bytes(125)) == read(b"\x81\xfe\x00\x7d")
    assert read(b"\x81\xfe\x00\x7e" + MASK + apply_mask(b"y" * 126, MASK)) == [b"y" * 126]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
def test_close_with_a_code_that_may_be_sent_is_taken(code: int) -> None:
    assert read(frame(CLOSE, code.to_bytes(2) + "ó".encode())) == [Closed(code, "ó")]


def test_empty_close_is_1005() -> None:
    assert read(frame(CLOSE)) == [Closed(1005, "")]


@pytest.mark.parametrize(
    "sent",
    [
        frame(TEXT, b"x" * 60_000, fin=False) + frame(CONT, b"y"),
        frame(TEXT, b"x" * 60_000, rsv=4),
        frame(BINARY, b"x" * 60_000, fin=False) + frame(TEXT, b"y" * 60_000),
        frame(TEXT, b"x" * 60_000)[:-1],
    ],
)
def test_nothing_is_left_for_the_collector(sent: bytes) -> None:
    def read_and_close() -> None:
        reader = FrameReader(65536)
        reader.feed(sent)
        reader.close()

    read_and_close()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            read_and_close()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 20_000


def test_nothing_is_copied_again_when_a_frame_comes_in_pieces() -> None:
    reader = FrameReader(65536)
    sent = frame(BINARY, b"x" * 65535)
    for at in range(9):
        reader.feed(sent[at : at + 1])
    kept = reader._buffer
    for at in range(9, len(sent) - 1):
        assert reader.feed(sent[at : at + 1]) == []
    assert reader._buffer is kept
    assert reader.feed(sent[-1:]) == [Binary(b"x" * 65535)]
    assert reader._buffer is None


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_are_read_by_another_implementation(size: int) -> None:
    client = Protocol(Side.CLIENT, state=State.OPEN)
    client.receive_data(text_frame(b"x" * size) + ping_frame(b"1") + pong_frame(b"2") + close_frame(4001, "é" * 99))
    text, ping, pong, close = client.events_received()
    assert [text, ping, pong] == [
        TheirFrame(Opcode.TEXT, b"x" * size),
        TheirFrame(Opcode.PING, b"1"),
        TheirFrame(Opcode.PONG, b"2"),
    ]
    assert isinstance(close, TheirFrame)
    assert Close.parse(bytes(close.data)) == Close(4001, "é" * 61)  # 123 bytes hold no half character
    assert close_frame(1005) == b"\x88\x00"


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=20))
def test_any_bytes_become_the_same_events_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert read(*(data[start:stop] for start, stop in pairwise(edges))) == read(data)


def test_first_wrong_byte_of_a_text_is_told_before_its_frame_is_whole() -> None:
    for payload, at in ((b"good \xce\xba\xff and more", 7), (b"\xf4\x90" + b"x" * 200, 1), (b"\xed\xa0zz", 2)):
        sent = frame(TEXT, payload)
        start = len(sent) - len(payload)
        reader = FrameReader(LIMIT)
        assert reader.feed(sent[: start + at]) == []
        assert [each.code for each in reader.feed(sent[start + at :][:1]) if isinstance(each, Fault)] == [1007]


def test_nothing_is_read_after_close() -> None:
    for before in (b"", frame(TEXT, b"x"), frame(TEXT, b"x")[:3], frame(TEXT, b"x", fin=False)):
        reader = FrameReader(LIMIT)
        reader.feed(before)
        reader.close()
        assert reader.feed(frame(TEXT, b"x")) == []


def test_feed_ends_at_the_first_frame_too_many() -> None:
    for one in (frame(TEXT), frame(PING), frame(BINARY)):
        reader = FrameReader(LIMIT, frames_per_feed=10)
        assert len(reader.feed(one * 10)) == reader.frames == 10
        assert len(reader.feed(one * 1000)) == reader.frames == 11
        assert reader.feed(one) == []
    reader = FrameReader(LIMIT, frames_per_feed=10)
    reader.feed(frame(TEXT, fin=False) + frame(CONT, fin=False) * 1000)
    assert reader.frames == 11
