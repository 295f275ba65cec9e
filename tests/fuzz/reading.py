"""The reader and the codec in this process: whatever comes in, events or a refusal come out, and no exception."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
import psutil

from chat.errors import ChatError
from chat.protocol import codec
from chat.protocol.frames import Closed, Event, Fault, FrameReader
from tests.fuzz.inputs import Input

FRAME_LIMIT_BYTES = 65536
WARM_UP = 0.1  # of the inputs, before memory is measured
GROWTH_LIMIT_BYTES = 20 * 1024 * 1024


def read_all(found: Iterable[Input], count: int) -> Counter[str]:
    """Feed every input to a reader and each text to the codec; return what came out how often.

    Raises: AssertionError naming the input that was read wrongly, or when memory has grown.
    """
    told: Counter[str] = Counter()
    process, before = psutil.Process(), 0
    for number, each in enumerate(found):
        if number == int(count * WARM_UP):
            before = process.memory_info().rss
        read(each, told)
    growth = process.memory_info().rss - before
    assert growth < GROWTH_LIMIT_BYTES, f"this process grew by {growth / 1e6:.1f} MB"
    told["growth of this process, KB"] = growth // 1000
    return told


def read(each: Input, told: Counter[str]) -> None:
    """Check one input: its events are the same cut and whole, and each text is a command or is refused."""
    try:
        events = _events(each.pieces)
        assert events == _events([each.whole]), "cut and whole differ"
        assert not any(isinstance(event, Closed | Fault) for event in events[:-1]), "something came after the end"
        for event in events:
            told[_decoded(event) if isinstance(event, bytes) else type(event).__name__] += 1
            if isinstance(event, Fault):
                assert event.code in (1002, 1007, 1009)
                told[f"Fault {event.code}"] += 1
    except Exception as exc:
        raise AssertionError(f"{exc!r} of the input {each.pieces!r:.2000}") from exc
    told["inputs"] += 1


def _events(pieces: Iterable[bytes]) -> list[Event]:
    reader = FrameReader(FRAME_LIMIT_BYTES)
    return [event for piece in pieces for event in reader.feed(piece)]


def _decoded(payload: bytes) -> str:
    payload.decode()
    try:
        command = codec.decode(payload)
    except codec.Refused as refused:
        answer = msgspec.json.decode(codec.refusal_frame(refused.cause, refused.event, refused.ack))
        assert answer["event"] in ("ack", "error")
        return "refused"
    for name in ("room", "rooms", "sent"):
        try:
            getattr(command.data, name, None)
        except ChatError as exc:
            codec.refusal_frame(exc, None, command.ack)
    return "command"
