"""Frames are read as the `websockets` package reads them, wherever it is right."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Opcode
from websockets.frames import Frame as TheirFrame
from websockets.protocol import Protocol, Side, State
from websockets.utils import apply_mask

from chat.protocol.frames import Binary, Closed, Event, Fault, FrameReader, Ping, Pong
from tests.support.frame_reading import LIMIT, read
from tests.support.raw_client import BINARY, CLOSE, MASK, PING, PONG, TEXT, frame
from tests.support.raw_client import CONTINUATION as CONT

WHOLE_FRAMES = st.builds(
    frame,
    opcode=st.sampled_from([TEXT] * 6 + [CONT] * 4 + [BINARY, PING, PONG, CLOSE, 3, 11]),
    payload=st.binary(max_size=60) | st.text(max_size=40).map(str.encode) | st.just(b"x" * 126),
    fin=st.sampled_from([True, True, False]),
    masked=st.sampled_from([True] * 20 + [False]),
    rsv=st.sampled_from([0] * 20 + [1, 4]),
)
LONG_WAY = st.sampled_from(
    [
        b"\x81\xfe\x00\x03" + MASK + apply_mask(b"abc", MASK),
        b"\x82\xff" + (200).to_bytes(8) + MASK + bytes(200),
        b"\x81\xff\x80" + bytes(7) + MASK,
    ]
)
FRAMES = st.sampled_from([WHOLE_FRAMES] * 15 + [LONG_WAY]).flatmap(lambda each: each)


@settings(max_examples=400, deadline=None)
@given(frames=st.lists(FRAMES, max_size=12), cut=st.integers(1, 40))
def test_reader_agrees_with_the_websockets_package(frames: list[bytes], cut: int) -> None:
    sent = b"".join(frames)
    expected = _as_websockets_reads(frames)
    if expected is not None:
        assert _told(read(*(sent[at : at + cut] for at in range(0, len(sent), cut)))) == expected
        assert _told(read(sent)) == expected


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(FRAMES, max_size=5))
def test_reader_agrees_with_the_websockets_package_when_cut_at_every_boundary(frames: list[bytes]) -> None:
    sent = b"".join(frames)
    expected = _as_websockets_reads(frames)
    if expected is not None:
        for cut in range(len(sent) + 1):
            assert _told(read(sent[:cut], sent[cut:])) == expected, cut


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(WHOLE_FRAMES, max_size=5))
def test_reader_tells_a_fault_at_the_same_byte_as_the_websockets_package(frames: list[bytes]) -> None:
    if _as_websockets_reads(frames) is None:
        return
    reader, protocol = FrameReader(LIMIT), Protocol(Side.SERVER, state=State.OPEN, max_size=LIMIT)
    for byte in b"".join(frames):
        codes = [each.code for each in reader.feed(bytes((byte,))) if isinstance(each, Fault)]
        protocol.receive_data(bytes((byte,)))
        if 1007 in codes:  # of text, which the package leaves to the layer above
            return
        theirs = [int(protocol.close_sent.code)] if protocol.parser_exc and protocol.close_sent else []
        assert codes == theirs
        if theirs or protocol.close_rcvd:
            return


def _told(events: list[Event]) -> list[object]:
    return [("fault", event.code) if isinstance(event, Fault) else event for event in events]


def _as_websockets_reads(frames: list[bytes]) -> list[object] | None:
    """Read with `Protocol` alone; None where it is known to be wrong (control frames between fragments)."""
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=LIMIT)
    told: list[object] = []
    message, is_text = b"", True
    for raw in frames:
        if not _is_length_minimal(raw):
            return [*told, ("fault", 1002)]
        is_inside = protocol.current_size is not None
        if is_inside and raw[0] & 8 and (raw[0] & 15 == CLOSE or (protocol.current_size or 0) + 126 > LIMIT):
            return None
        protocol.receive_data(raw)
        for event in protocol.events_received():
            assert isinstance(event, TheirFrame)
            data = bytes(event.data)
            if event.opcode in (Opcode.PING, Opcode.PONG):
                told.append(Ping(data) if event.opcode is Opcode.PING else Pong(data))
            elif event.opcode is Opcode.CLOSE:
                close = Close.parse(data)
                return [*told, Closed(int(close.code), close.reason)]
            else:
                if event.opcode is not Opcode.CONT:
                    message, is_text = b"", event.opcode is Opcode.TEXT
                message += data
                if is_text and not _may_be_utf8(message, event.fin):
                    return [*told, ("fault", 1007)]
                if event.fin:
                    told.append(message if is_text else Binary(message))
        if protocol.parser_exc is not None:
            assert protocol.close_sent is not None or isinstance(protocol.parser_exc, ProtocolError)
            return [*told, ("fault", int(protocol.close_sent.code) if protocol.close_sent else 1002)]
    return told


def _is_length_minimal(raw: bytes) -> bool:
    """Tell whether the length is encoded as RFC 6455 asks; the package takes any encoding."""
    if raw[1] < 0x80 or raw[0] & 15 not in (CONT, TEXT, BINARY, CLOSE, PING, PONG):
        return True  # told already
    if raw[1] & 127 == 126:
        return int.from_bytes(raw[2:4]) > 125
    return raw[1] & 127 != 127 or 65535 < int.from_bytes(raw[2:10]) < 1 << 63


def _may_be_utf8(message: bytes, is_whole: bool) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError as exc:
        return not is_whole and exc.reason == "unexpected end of data"
    return True
