"""Bytes of a WebSocket (RFC 6455, server side) become messages, and messages become frames; no socket in
here.

Before this step: `gateway/connection.py` received bytes. After it: whole text messages, already unmasked
and valid UTF-8, in the order they were sent.

Small final text frames and control frames take a short path of ours (under 1 µs a frame). Everything else
(fragments, binary, 64-bit lengths, every fault) takes a detour through the `websockets` package, one frame
at a time, so the short path is free again as soon as the last fragment is in.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from websockets.exceptions import ProtocolError
from websockets.frames import Close as CloseFrame
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C extension on this platform
    from websockets.utils import apply_mask

FINAL_TEXT, FINAL_CLOSE, FINAL_PING, FINAL_PONG = 0x81, 0x88, 0x89, 0x8A
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
    fragments and pings cost a turn of the loop and make no message.
    """

    __slots__ = (
        "_buffer", "_detour", "_is_ended", "_is_fresh", "_limit", "_needed", "_outstanding", "frames",
    )  # fmt: skip

    def __init__(self, frame_limit_bytes: int) -> None:
        self.frames = 0
        self._limit = frame_limit_bytes
        self._is_fresh = True  # at a frame boundary, nothing kept: the short path is open
        self._is_ended = False
        self._buffer: bytearray | None = None  # the start of a frame that is not complete
        self._needed = 0  # no use parsing the buffer before it holds this many bytes
        self._detour: _Detour | None = None
        self._outstanding = 0  # payload bytes the frame in the detour still lacks

    def feed(self, data: bytes) -> list[Event]:
        """Take what the socket gave and return the events it completed."""
        if self._is_fresh:
            size = len(data)
            if size > 5 and data[0] == 0x81:
                second = data[1]
                if second == size + 122 and second < 0xFE:  # 0x80 | (size - 6): one short frame and no more
                    payload = apply_mask(data[6:], data[2:6])
                elif second == 0xFE and size > 7 and (data[2] << 8 | data[3]) == size - 8:
                    payload = apply_mask(data[8:], data[4:8])
                else:
                    return self._feed_any(data)
                if len(payload) <= self._limit and (payload.isascii() or _is_utf8(payload)):
                    self.frames = 1
                    return [payload]
        return self._feed_any(data)

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
        self._is_fresh = not (self._buffer or self._detour or self._is_ended)
        return events

    def _take_frame(self, data: bytes, at: int, events: list[Event]) -> int:
        """Parse the frame that starts at `at`; return where the next one starts, or `at` when bytes lack."""
        available = len(data) - at
        self._needed = 2
        if available < 2:
            return at
        first, second = data[at], data[at + 1]
        length = second & 0x7F
        header = 2 if length < 126 else 4 if length == 126 else 10
        if second & 0x80:
            header += 4
        self._needed = header
        if available < header:
            return at
        if length == 126:
            length = data[at + 2] << 8 | data[at + 3]
        start = at + header
        if second < 0x80 or second == 0xFF or not self._is_short(first, second, length):
            self._start_detour(data[at:start], events)
            return start
        self._needed = header + length
        if available < self._needed:
            return at
        stop = start + length
        payload = apply_mask(data[start:stop], data[start - 4 : start])
        self.frames += 1
        if first == FINAL_TEXT:
            events.append(payload if payload.isascii() or _is_utf8(payload) else self._end(_INVALID_TEXT))
        else:
            events.append(self._control(first, payload))
        return stop

    def _is_short(self, first: int, second: int, length: int) -> bool:
        if first == FINAL_TEXT:
            return length <= self._limit and self._detour is None
        # A close is taken here even between fragments: `websockets` 17.4 would answer 1002 (Autobahn 7.1.5).
        return first in (FINAL_CLOSE, FINAL_PING, FINAL_PONG) and second <= 0x80 | CONTROL_LIMIT_BYTES

    def _control(self, first: int, payload: bytes) -> Event:
        if first == FINAL_PING:
            return Ping(payload)
        if first == FINAL_PONG:
            return Pong(payload)
        return self._end(_parse_close(payload))

    def _start_detour(self, header: bytes, events: list[Event]) -> None:
        if self._detour is None:
            self._detour = _Detour(self._limit)
        if header[1] & 0x80:
            self._outstanding = _declared_length(header)
        self._take_detour(header, events)

    def _take_detour(self, data: bytes, events: list[Event]) -> None:
        detour = self._detour
        assert detour is not None
        event = detour.feed(data)
        if isinstance(event, Fault):
            self._end(event)
        elif not self._outstanding:
            self.frames += 1
            if detour.is_between_messages:
                self._detour = None
        if event is not None:
            events.append(event)

    def _end(self, event: Event) -> Event:
        self._is_ended = True
        self._buffer = self._detour = None
        self._outstanding = 0
        return event


class _Detour:
    """One frame, or one fragmented message, through the `websockets` package."""

    __slots__ = ("_decoder", "_message", "_protocol")

    def __init__(self, limit: int) -> None:
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=limit)
        self._message = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def is_between_messages(self) -> bool:
        return self._protocol.current_size is None

    def feed(self, data: bytes) -> Event | None:
        """Take a header or a piece of payload, never more than the rest of one frame."""
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
        if frame.opcode is Opcode.TEXT:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._message += frame.data
        return self._complete(bytes(frame.data), frame.fin)

    def _complete(self, piece: bytes, is_final: bool) -> Event | None:
        if self._decoder is not None:
            try:
                self._decoder.decode(piece, is_final)  # piece by piece, so a fault is told at once
            except UnicodeDecodeError:
                return _INVALID_TEXT
        if not is_final:
            return None
        return bytes(self._message) if self._decoder is not None else Binary(bytes(self._message))


_INVALID_TEXT = Fault(CloseCode.INVALID_DATA.value, "text is not UTF-8")


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _declared_length(header: bytes) -> int:
    length = header[1] & 0x7F
    if length < 126:
        return length
    return int.from_bytes(header[2:4] if length == 126 else header[2:10])


def _parse_close(payload: bytes) -> Closed | Fault:
    try:
        close = CloseFrame.parse(payload)
    except ProtocolError as exc:
        return Fault(CloseCode.PROTOCOL_ERROR.value, str(exc))
    except UnicodeDecodeError:
        return Fault(CloseCode.INVALID_DATA.value, "close reason is not UTF-8")
    return Closed(int(close.code), close.reason)
