"""The JSON of the wire, both ways: a client's frame becomes a typed command or an error that names its field.

Decoding and checking are one pass of msgspec (about 1 µs). Only a frame that fails is looked at twice, to find
the `ack` and the field for its error.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
from msgspec import Struct

from chat.errors import ChatError, InvalidRequest, RateLimited
from chat.protocol.commands import EVENTS, Command
from chat.protocol.fields import ID_MEND, Ack
from chat.protocol.salvage import salvage

_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_encoder = msgspec.json.Encoder()


class Refused(ChatError):
    """A frame that is no command: `cause` is what to tell, `event` and `ack` what could be read of it."""

    def __init__(self, cause: InvalidRequest, event: str | None, ack: Ack) -> None:
        super().__init__(cause.message, field=cause.field)
        self.cause = cause
        self.event = event
        self.ack = ack


def decode(payload: bytes) -> Command:
    """Return the command in a frame; raises Refused, which names the field and the mend."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise _refused(payload, exc) from None


def event_of(command: Command) -> str:
    """Return the name of a command's event."""
    return str(type(command).__struct_config__.tag)


def encode(value: Any) -> bytes:
    """Return any record, dict or list as JSON."""
    return _encoder.encode(value)


def event_frame(event: str, data: Any) -> bytes:
    """Return a server event."""
    return _encoder.encode({"event": event, "data": data})


def ack_frame(ack: Ack, result: Any) -> bytes:
    """Return the `ack` of a request that was done."""
    return _encoder.encode({"event": "ack", "data": {"ack": ack, "ok": True, "result": result}})


def refusal_frame(error: ChatError, event: str | None, ack: Ack) -> bytes:
    """Return the `ack` with `ok: false` when there is one to answer, otherwise the `error` event."""
    if ack is not None:
        return _encoder.encode({"event": "ack", "data": {"ack": ack, "ok": False, "error": error_body(error)}})
    return _encoder.encode({"event": "error", "data": {**error_body(error), "event": event}})


def error_body(error: ChatError) -> dict[str, Any]:
    """Return an error as clients see it; the cause of an internal one stays inside."""
    body: dict[str, Any] = {"code": error.code, "message": error.message, "field": error.field}
    if isinstance(error, RateLimited):
        body["retryAfter"] = math.ceil(error.retry_after_s * 1000) / 1000  # never too early
    return body


def message_failed_frame(temp_id: str, room_id: str, error: ChatError) -> bytes:
    """Return `message-failed` for a message that was not accepted; it may be sent again if `retryable`."""
    told = {"code": error.code, "message": error.message, "retryable": error.temporary}
    return event_frame("message-failed", {"tempId": temp_id, "roomId": room_id, "error": told})


def closing_frame(code: int, reason: str, *, after_ms: int = 0) -> bytes:
    """Return the last event before a close code of ours; those of the 45xx half say: do not come back."""
    return event_frame("closing", {"code": code, "reason": reason, "retry": code < 4500, "afterMs": after_ms})


class _Outline(Struct):
    event: Any = None
    ack: Any = None


_outline = msgspec.json.Decoder(_Outline)


def _refused(payload: bytes, exc: Exception) -> Refused:
    try:
        outline = _outline.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as unread:
        return _unread(payload, unread)
    return _about(outline.event, outline.ack, _explained(str(exc), outline))


def _unread(payload: bytes, exc: Exception) -> Refused:
    found = salvage(payload)
    if found is None:
        return Refused(_unreadable(payload, exc), None, None)
    return _about(found.event, found.ack, InvalidRequest(f"{found.field} {found.fault}", field=found.field))


def _about(event: Any, ack: Any, cause: InvalidRequest) -> Refused:
    """Return a refusal that names the event and answers the ack, where those are any."""
    named = event if isinstance(event, str) and len(event) <= 64 else None
    return Refused(cause, named, ack if isinstance(ack, str | int) and not isinstance(ack, bool) else None)


def _unreadable(payload: bytes, exc: Exception) -> InvalidRequest:
    if isinstance(exc, RecursionError):
        return InvalidRequest("the frame is nested too deep; send a flat object", field="frame")
    if not payload.lstrip().startswith(b"{"):
        return InvalidRequest('the frame is no JSON object; send {"event": …, "data": {…}}', field="frame")
    return InvalidRequest(f"the frame is not valid JSON ({exc}); send one JSON object", field="frame")


def _explained(text: str, outline: _Outline) -> InvalidRequest:
    if not isinstance(outline.event, str):
        return InvalidRequest("event is missing or no string; name the event", field="event")
    if outline.event not in EVENTS:
        return InvalidRequest(f"unknown event; known are {', '.join(EVENTS)}", field="event")
    path = re.search(r"`\$\.?([^`]*)`$", text)
    names = (
        [name for name in re.split(r"[.\[\]]+", path[1]) if name and name != "..." and not name.isdigit()]
        if path
        else []
    )
    missing = re.search(r"missing required field `(\w+)`", text)
    field = missing[1] if missing else (names[1] if len(names) > 1 else (names[0] if names else "frame"))
    if missing:
        return InvalidRequest(f"{field} is missing; add it", field=field)
    if "matching regex" in text:
        return InvalidRequest(f"{field} {ID_MEND}", field=field)
    return InvalidRequest(f"{field}: {text.split(' - at ')[0]}", field=field)
