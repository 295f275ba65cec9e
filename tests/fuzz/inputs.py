"""Inputs for the fuzzer: streams of our own protocol whole and spoilt, and plain random bytes, from one seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from websockets.utils import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SPLIT_SHARE = 0.2  # of the inputs are one stream at one of its splits, all splits in turn
COMMANDS: list[dict[str, Any]] = [
    {"event": "join-chat-rooms", "data": {"roomIds": ["general", "a.b-c_1"]}, "ack": 1},
    {"event": "join-chat-rooms", "data": {"roomIds": ["x"], "since": {"x": {"epoch": "e", "offset": 7}}}},
    {"event": "leave-chat-rooms", "data": {"room_ids": ["general"]}, "ack": "left"},
    {"event": "send-chat-message", "data": {"roomId": "general", "content": "hé 👋", "temp_id": "t1"}, "ack": 2},
    {"event": "send-chat-message", "data": {"room_id": "r", "content": "", "metadata": {"k": [1, 2.5, None]}}},
    {"event": "get-messages", "data": {"roomId": "general", "before": 9, "limit": 200}, "ack": 3},
    {"event": "get-send-fate", "data": {"roomId": "general", "temp_ids": ["t1", "t2"]}, "ack": 4},
    {"event": "heartbeat", "data": {}},
    {"event": "authenticate", "data": {"token": "a.b.c"}, "ack": 5},
    {"event": "mark-messages-seen", "data": {"roomId": "general", "seq": 5}, "ack": 6},
]
ODD_JSON = [
    "null", "true", "-0", "1e999", "-1e400", "1" * 400, "0.1e-999", "NaN", "[]", "{}", '""', "[" * 5000,
    '{"a":' * 2000, "[[[[]]]]", '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\ufeff"', '"' + "x" * 70_000 + '"',
    "9007199254740993", "-1", "1.5", '{"event":"heartbeat","event":"x"}', "//", "'a'", "\x00", "\ufeff{}",
]  # fmt: skip
ODD_BYTES = (0, 1, 0x7D, 0x7E, 0x7F, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8F, 0xC1, 0xED, 0xF4, 0xFE, 0xFF)


@dataclass(frozen=True, slots=True)
class Input:
    """A stream of bytes and how it is cut."""

    pieces: tuple[bytes, ...]

    @property
    def whole(self) -> bytes:
        """The stream as one."""
        return b"".join(self.pieces)


def inputs(seed: int, count: int) -> Iterator[Input]:
    """Yield so many inputs; the same for the same seed."""
    rng = random.Random(seed)
    splits = _splits(rng)
    for _ in range(count):
        if rng.random() < SPLIT_SHARE:
            yield next(splits)
        else:
            yield Input(_cut(rng, _stream(rng)))


def _splits(rng: random.Random) -> Iterator[Input]:
    while True:
        stream = _valid_stream(rng)[:2000]
        for at in range(len(stream) + 1):
            yield Input((stream[:at], stream[at:]))


def _stream(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.15:
        return rng.randbytes(rng.choice((1, 3, 14, 100, 1000)))
    if kind < 0.3:
        return b"".join(_any_frame(rng) for _ in range(rng.randint(1, 6)))
    stream = _valid_stream(rng)
    return _spoilt(rng, stream) if kind < 0.8 else stream


def _valid_stream(rng: random.Random) -> bytes:
    frames = [_framed(rng, _command(rng)) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.3:
        frames.insert(rng.randrange(len(frames) + 1), _frame(rng, BINARY, rng.randbytes(rng.choice((0, 5, 300)))))
    if rng.random() < 0.3:
        frames.append(_frame(rng, CLOSE, rng.choice((b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0f\xa1"))))
    return b"".join(frames)


def _command(rng: random.Random) -> bytes:
    command = rng.choice(COMMANDS)
    text = json.dumps(command, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.5:
        text = _spoilt_json(rng, command, text)
    return text.encode(errors="surrogatepass")


def _spoilt_json(rng: random.Random, command: dict[str, Any], text: str) -> str:
    kind = rng.random()
    if kind < 0.5:  # one value is replaced, at any depth
        values = [value for value in _values(command) if (found := json.dumps(value)) and found in text]
        old = json.dumps(rng.choice(values)) if values else text
        return text.replace(old, rng.choice(ODD_JSON), 1)
    if kind < 0.6:  # a key twice
        return text[:-1] + f',"{rng.choice(("event", "data", "ack"))}":{rng.choice(ODD_JSON)}}}'
    if kind < 0.8:
        at = rng.randrange(len(text))
        return text[:at] + rng.choice(ODD_JSON) + text[at + rng.randint(0, 5) :]
    if kind < 0.9:
        return text[: rng.randrange(len(text))]
    return rng.choice(ODD_JSON)


def _values(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _values(each)


def _framed(rng: random.Random, payload: bytes) -> bytes:
    """One message, mostly as one frame, else in fragments with control frames between."""
    if rng.random() < 0.7:
        return _frame(rng, TEXT, payload)
    edges = [0, *sorted(rng.randrange(len(payload) + 1) for _ in range(rng.randint(1, 4))), len(payload)]
    frames = []
    for number, (start, stop) in enumerate(pairwise(edges)):
        opcode = CONTINUATION if number else TEXT
        frames.append(_frame(rng, opcode, payload[start:stop], fin=number == len(edges) - 2))
        if rng.random() < 0.2:
            frames.append(_frame(rng, rng.choice((PING, PONG)), rng.randbytes(rng.randint(0, 20))))
    return b"".join(frames)


def _any_frame(rng: random.Random) -> bytes:
    """A frame whose header may be anything."""
    payload = rng.randbytes(rng.choice((0, 1, 2, 125, 126, 300)))
    frame = _frame(rng, rng.randrange(16), payload, fin=rng.random() < 0.7)
    if rng.random() < 0.2:
        length = rng.choice((0, 5, 125, 126, 65535, 65536, 1 << 40, 1 << 63, (1 << 64) - 1))
        size = rng.choice((2, 8))
        length &= (1 << 8 * size) - 1
        frame = (
            frame[:1] + bytes((0xFE if size == 2 else 0xFF,)) + length.to_bytes(size) + rng.randbytes(4) + payload
        )
    return bytes((frame[0] | rng.choice((0, 0, 0, 0x10, 0x40)),)) + frame[1:]


def _frame(rng: random.Random, opcode: int, payload: bytes, fin: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    else:
        length = b"\xfe" + size.to_bytes(2) if size < 65536 else b"\xff" + size.to_bytes(8)
    mask = rng.randbytes(4)
    return bytes((fin << 7 | opcode,)) + length + mask + apply_mask(payload, mask)


def _spoilt(rng: random.Random, stream: bytes) -> bytes:
    spoilt = bytearray(stream)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(spoilt) + 1)
        match rng.randrange(6):
            case 0 if spoilt:
                spoilt[at % len(spoilt)] ^= 1 << rng.randrange(8)
            case 1:
                del spoilt[at : at + rng.randint(1, 9)]
            case 2:
                spoilt[at:at] = spoilt[at : at + rng.randint(1, 60)]
            case 3:
                spoilt[at:at] = rng.randbytes(rng.randint(1, 9))
            case 4 if spoilt:
                spoilt[at % len(spoilt)] = rng.choice(ODD_BYTES)
            case _:
                del spoilt[at:]
    return bytes(spoilt)


def _cut(rng: random.Random, stream: bytes) -> tuple[bytes, ...]:
    kind = rng.random()
    if kind < 0.5 or not stream:
        return (stream,)
    if kind < 0.55 and len(stream) < 1000:
        return tuple(stream[at : at + 1] for at in range(len(stream)))
    edges = sorted(rng.randrange(len(stream) + 1) for _ in range(rng.randint(1, 4)))
    return tuple(stream[start:stop] for start, stop in pairwise([0, *edges, len(stream)]))
