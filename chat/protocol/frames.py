"""Bytes of a WebSocket (RFC 6455, server side) become messages, and messages become frames; no socket in
here.

Before this step: `gateway/connection.py` received bytes. After it: whole text messages, already unmasked
and valid UTF-8, in the order they were sent.

Whole messages and control frames take a short path of ours (under 1 µs a frame). Everything else (fragments,
64-bit lengths, faults) takes a detour through the Sans-I/O protocol of the `websockets` package, one frame at
a time, so the short path is free again as soon as the last fragment is in. Both give the same events at the
same byte, except where the package leaves RFC 6455: a length that is not encoded in
the fewest bytes, or has its highest bit set (5.2), is a fault here, and a control frame between fragments
(5.4) is neither too big for the message's rest nor, as a close, a fault.
"""

from __future__ import annotations

import codecs
import sys
from dataclasses import dataclass

from websockets.exceptions import ProtocolError
from websockets.frames import Close as CloseFrame
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C extension on this platform
    from websockets.utils import apply_mask

FINAL_TEXT, FINAL_BINARY, FINAL_CLOSE, FINAL_PING, FINAL_PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
KNOWN_OPCODES = frozenset((0, 1, 2, 8, 9, 10))
RESERVED_BITS = 0x70
MASK_BYTES = 4
CONTROL_LIMIT_BYTES = 125  # RFC 6455, 5.5
NO_STATUS = 1005  # stands for a close frame without a code; never on the wire

_SHORT_TEXT_HEADERS = tuple(bytes((FINAL_TEXT, length)) for length in range(126))


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping; the same payload is due in a pong."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong, asked for or not."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """A whole binary message: the layer above decides what to say to it."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer's close frame; `code` is 1005 when it named none. Nothing is parsed after it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The peer broke the protocol: `code` is the close code it has earned. Nothing is parsed after it."""

    code: int
    reason: str


Event = bytes | Ping | Pong | Binary | Closed | Fault
"""`bytes` is a text message: the common case carries no wrapper."""


def text_frame(payload: bytes) -> bytes:
    """Frame one text message, unmasked and final, as a server sends it."""
    length = len(payload)
    if length < 126:
        return _SHORT_TEXT_HEADERS[length] + payload
    if length < 65536:
        return b"\x81\x7e" + length.to_bytes(2) + payload
    return b"\x81\x7f" + length.to_bytes(8) + payload


def binary_frame(payload: bytes) -> bytes:
    """Frame one binary message, unmasked and final."""
    return b"\x82" + text_frame(payload)[1:]


def close_frame(code: int, reason: str = "") -> bytes:
    """Frame a close; 1005 gives the empty one, and a reason too long is cut between characters."""
    if code == NO_STATUS:
        return b"\x88\x00"
    told = reason.encode()[: CONTROL_LIMIT_BYTES - 2].decode(errors="ignore").encode()
    return bytes((FINAL_CLOSE, 2 + len(told))) + code.to_bytes(2) + told


def ping_frame(payload: bytes = b"") -> bytes:
    """Frame a ping of up to 125 bytes."""
    return bytes((FINAL_PING, len(payload))) + payload


def pong_frame(payload: bytes = b"") -> bytes:
    """Frame a pong of up to 125 bytes."""
    return bytes((FINAL_PONG, len(payload))) + payload


class FrameReader:
    """Turns the bytes of one connection into events; holds at most one frame and one fragmented message.

    `frames` is the number of frames completed by the last `feed`: what a token bucket has to count, because
    fragments and pings cost a turn of the loop and make no message. A feed that completes more than
    `frames_per_feed` ends the stream there, so that a flood costs no more than its start.
    """

    __slots__ = (
        "_buffer", "_detour", "_frames_per_feed", "_is_ended", "_is_fresh", "_limit", "_needed", "_outstanding",
        "frames",
    )  # fmt: skip

    def __init__(self, frame_limit_bytes: int, frames_per_feed: int = sys.maxsize) -> None:
        self.frames = 0
        self._frames_per_feed = frames_per_feed
        self._limit = frame_limit_bytes
        self._is_fresh = True  # at a frame boundary, nothing kept: the short path is open
        self._is_ended = False
        self._buffer: bytearray | None = None  # the start of a frame that is not complete
        self._needed = 0  # no use parsing the buffer before it holds this many bytes
        self._detour: _Detour | None = None
        self._outstanding = 0  # bytes of mask and payload that the frame in the detour still lacks

    def set_limit(self, frame_limit_bytes: int) -> None:
        """Take messages of another size from the next one on."""
        self._limit = frame_limit_bytes

    def feed(self, data: bytes) -> list[Event]:
        """Take what the socket gave and return the events it completed."""
        if self._is_fresh:
            size = len(data)
            if size > 5 and data[0] == 0x81:
                second = data[1]
                if second == size + 122 and second < 0xFE:  # 0x80 | (size - 6): one short frame and no more
                    payload = apply_mask(data[6:], data[2:6])
                elif second == 0xFE and size > 133 and (data[2] << 8 | data[3]) == size - 8:  # 126 or more
                    payload = apply_mask(data[8:], data[4:8])
                else:
                    return self._feed_any(data)
                if len(payload) <= self._limit and (payload.isascii() or _is_utf8(payload)):
                    self.frames = 1
                    return [payload]
        return self._feed_any(data)

    def close(self) -> None:
        """Let go of whatever is kept; nothing is parsed after this."""
        self._is_ended, self._is_fresh = True, False
        self._buffer = None
        self._outstanding = 0
        self._end_detour()

    def _feed_any(self, data: bytes) -> list[Event]:
        self.frames = 0
        buffer = self._buffer
        if buffer is not None:
            buffer += data
            if len(buffer) < self._needed:
                return []
            data = bytes(buffer)
            self._buffer = None
        events: list[Event] = []
        position = 0
        while not self._is_ended and position < len(data):
            if self._outstanding:
                start = position
                position = min(len(data), start + self._outstanding)
                self._outstanding -= position - start
                self._take_detour(data[start:position], events)
                continue
            after = self._take_frame(data, position, events)
            if after == position:
                self._buffer = bytearray(data[position:])
                break
            position = after
            if self.frames > self._frames_per_feed:
                self.close()
        self._is_fresh = not (self._buffer or self._detour or self._is_ended)
        return events

    def _take_frame(self, data: bytes, at: int, events: list[Event]) -> int:
        """Parse the frame that starts at `at`; return where the next one starts, or `at` when bytes lack."""
        available = len(data) - at
        self._needed = 2
        if available < 2:
            return at
        first, second = data[at], data[at + 1]
        if second < 0x80 or first & 0x0F not in KNOWN_OPCODES:
            self._start_detour(data[at : at + 2], 0, events)  # it is told at once
            return at + 2
        length = second & 0x7F
        header = 2 if length < 126 else 4 if length == 126 else 10
        self._needed = header
        if available < header:
            return at
        if header > 2:
            length = int.from_bytes(data[at + 2 : at + header])
            if length < (126 if header == 4 else 65536) or length >> 63:
                events.append(self._ended(_INVALID_LENGTH))
                return at + header
        if not self._is_short(first, header, length):
            self._start_detour(data[at : at + header], MASK_BYTES + length, events)
            return at + header
        start = at + header + MASK_BYTES
        stop = start + length
        self._needed = stop - at
        if available < self._needed:
            if first != FINAL_TEXT:
                return at
            self._start_detour(data[at : at + header], MASK_BYTES + length, events)  # checked as it comes
            return at + header
        payload = apply_mask(data[start:stop], data[start - MASK_BYTES : start])
        self.frames += 1
        if first == FINAL_TEXT:
            events.append(payload if payload.isascii() or _is_utf8(payload) else self._ended(_INVALID_TEXT))
        elif first == FINAL_BINARY:
            events.append(Binary(payload))
        else:
            events.append(self._control(first, payload))
        return stop

    def _is_short(self, first: int, header: int, length: int) -> bool:
        if first in (FINAL_TEXT, FINAL_BINARY):
            return header < 10 and length <= self._limit and self._detour is None
        # A close is taken here even between fragments: `websockets` 17.4 would answer 1002 (Autobahn 7.1.5).
        return first in (FINAL_CLOSE, FINAL_PING, FINAL_PONG) and header == 2

    def _control(self, first: int, payload: bytes) -> Event:
        if first == FINAL_PING:
            return Ping(payload)
        if first == FINAL_PONG:
            return Pong(payload)
        return self._ended(_parse_close(payload))

    def _start_detour(self, header: bytes, outstanding: int, events: list[Event]) -> None:
        if self._detour is None:
            self._detour = _Detour(self._limit)
        self._outstanding = outstanding
        self._note(self._detour.begin(header), self._detour, events)

    def _take_detour(self, data: bytes, events: list[Event]) -> None:
        detour = self._detour
        assert detour is not None
        self._note(detour.feed(data), detour, events)

    def _note(self, event: Event | None, detour: _Detour, events: list[Event]) -> None:
        if isinstance(event, Fault):
            self.close()
        elif not self._outstanding:
            self.frames += 1
            if detour.is_between_messages:
                self._end_detour()
        if event is not None:
            events.append(event)

    def _ended(self, event: Event) -> Event:
        self.close()
        return event

    def _end_detour(self) -> None:
        if self._detour is not None:
            self._detour.end()
            self._detour = None


class _Detour:
    """One frame, or one fragmented message, through the `websockets` package.

    Text is checked piece by piece, so that the first wrong byte is told at once.
    """

    __slots__ = ("_decoder", "_is_checked", "_mask", "_message", "_protocol")

    def __init__(self, limit: int) -> None:
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=limit)
        self._message = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None  # None in a binary message
        self._is_checked = False  # this frame is text, as far as its header can say
        self._mask = b""  # turned so that its first byte is for the next one of the payload

    @property
    def is_between_messages(self) -> bool:
        return self._protocol.current_size is None

    def end(self) -> None:
        """Undo the cycles (protocol, parser, error): with the last message in them they would wait for the
        collector, which comes seldom.
        """
        self._protocol.parser.close()
        self._protocol.parser_exc = None

    def begin(self, header: bytes) -> Event | None:
        """Take a frame's header without its mask."""
        opcode, is_first = header[0] & 0x0F, self.is_between_messages
        if is_first and opcode == Opcode.TEXT:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        is_in_place = opcode == (Opcode.TEXT if is_first else Opcode.CONT)
        self._is_checked = is_in_place and not header[0] & RESERVED_BITS and self._decoder is not None
        self._mask = b""
        return self._through(header)

    def feed(self, data: bytes) -> Event | None:
        """Take a piece of mask and payload, never more than the rest of one frame."""
        if self._is_checked and not self._may_be_text(data):
            return _INVALID_TEXT
        return self._through(data)

    def _may_be_text(self, data: bytes) -> bool:
        if len(self._mask) < MASK_BYTES:
            lacking = MASK_BYTES - len(self._mask)
            self._mask += data[:lacking]
            data = data[lacking:]
        if not data:
            return True
        assert self._decoder is not None
        try:
            self._decoder.decode(apply_mask(data, self._mask))
        except UnicodeDecodeError:
            return False
        turn = len(data) % MASK_BYTES
        self._mask = self._mask[turn:] + self._mask[:turn]
        return True

    def _through(self, data: bytes) -> Event | None:
        protocol = self._protocol
        protocol.receive_data(data)
        protocol.data_to_send()  # its answers are not ours to send: connection.py has one writer
        if protocol.close_sent is not None:
            return Fault(int(protocol.close_sent.code), protocol.close_sent.reason)
        events = protocol.events_received()
        if not events:
            return None
        frame = events[0]
        assert isinstance(frame, Frame)  # only a handshake makes other events
        self._message += frame.data
        return self._completed() if frame.fin else None

    def _completed(self) -> Event:
        if self._decoder is None:
            return Binary(bytes(self._message))
        try:
            self._decoder.decode(b"", True)
        except UnicodeDecodeError:
            return _INVALID_TEXT
        return bytes(self._message)


_INVALID_LENGTH = Fault(CloseCode.PROTOCOL_ERROR.value, "length is not encoded in the fewest bytes, or too long")
_INVALID_TEXT = Fault(CloseCode.INVALID_DATA.value, "text is not UTF-8")


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_close(payload: bytes) -> Closed | Fault:
    try:
        close = CloseFrame.parse(payload)
    except ProtocolError as exc:
        return Fault(CloseCode.PROTOCOL_ERROR.value, str(exc))
    except UnicodeDecodeError:
        return Fault(CloseCode.INVALID_DATA.value, "close reason is not UTF-8")
    return Closed(int(close.code), close.reason)
