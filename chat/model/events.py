"""The bytes of the events that travel: composed once, by concatenation, and never parsed again on the way.

A message's *members* are the JSON members of the message without braces and without `id` and `seq`,
which only the accept step knows. From them come the frame everyone sees, the document the store keeps
and the frame that confirms it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from chat.model.clock import now_ms, rfc3339
from chat.model.message import MessageFailure
from chat.model.presence import StatusChange

TEMP_MARK = b'"_temp":true,"confirm_by":"'
_NEW_PREFIX = b'{"event":"new-chat-message","data":{'


def new_frame(room_id: str, seq: int, epoch: str, offset: int, confirm_by: str, members: bytes) -> bytes:
    """Return `new-chat-message` byte for byte as `accept_messages.lua` publishes it."""
    place = f'"offset":{offset},"id":"{room_id}.{seq}.{epoch}","seq":{seq},'
    return _NEW_PREFIX + TEMP_MARK + confirm_by.encode() + b'",' + place.encode() + members + b"}}"


def document(message_id: str, seq: int, members: bytes) -> bytes:
    """Return the stored JSON object of a message."""
    return b'{"id":"%b","seq":%d,%b}' % (message_id.encode(), seq, members)


def durable_message(body: bytes) -> bytes:
    """Return a stored message document as clients see it: with `_temp: false`."""
    return b'{"_temp":false,' + body[1:]


def temp_message(body: bytes) -> bytes:
    """Return the document-to-be of a message that still waits to be stored, as clients see it."""
    return b'{"_temp":true,' + body[1:]


def new_frame_made_durable(frame: bytes) -> bytes:
    """Return a logged `new-chat-message` frame as it is replayed after its confirmation."""
    start = len(_NEW_PREFIX)
    if not frame.startswith(TEMP_MARK, start):
        return frame
    end = frame.index(b'",', start + len(TEMP_MARK)) + 2
    return frame[:start] + b'"_temp":false,' + frame[end:]


def message_of_new_frame(frame: bytes) -> bytes:
    """Return the message inside a `new-chat-message` frame as a durable message object.

    Besides the message it still names the `offset` it was shown under.
    """
    return new_frame_made_durable(frame)[len(_NEW_PREFIX) - 1 : -1]


def confirmed_frame(temp_id: str, message_id: str, message: bytes) -> bytes:
    """Return `message-confirmed` for the sender; `message` is a durable message object."""
    return b'{"event":"message-confirmed","data":{"tempId":"%b","realId":"%b","message":%b}}' % (
        temp_id.encode(),
        message_id.encode(),
        message,
    )


def failed_frame(temp_id: str, room_id: str, failure: MessageFailure) -> bytes:
    """Return `message-failed` for the sender."""
    error = {"code": failure.code, "message": failure.text, "retryable": failure.retryable}
    data = {"tempId": temp_id, "roomId": room_id, "error": error}
    return msgspec.json.encode({"event": "message-failed", "data": data})


def split_frame(event: str, data: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the frame of a durable event in two parts, between which its offset is written."""
    members = msgspec.json.encode(data)[1:-1]
    return b'{"event":"%b","data":{%b,"offset":' % (event.encode(), members), b"}}"


def status_frame(change: StatusChange, room_ids: Iterable[str]) -> bytes:
    """Return `user-status` for somebody who shares these rooms with the user."""
    data = {
        "userId": change.user_id,
        "isOnline": change.kind != "offline",
        "lastSeen": change.last_seen,
        "userName": change.name or None,
        "roomIds": list(room_ids),
        "inRoom": change.kind == "online",
    }
    return msgspec.json.encode({"event": "user-status", "data": data})


def typing_frame(room_id: str, user_id: str, user_name: str, at_ms: int, *, is_typing: bool) -> bytes:
    """Return `chat-user-typing`."""
    who = {"userId": user_id, "userName": user_name, "roomId": room_id}
    data = {**who, "isTyping": is_typing, "timestamp": rfc3339(at_ms)}
    return msgspec.json.encode({"event": "chat-user-typing", "data": data})


def typing_stopped(frame: bytes) -> bytes:
    """Return the `chat-user-typing` that takes back another one."""
    who = msgspec.json.decode(frame)["data"]
    return typing_frame(who["roomId"], who["userId"], who["userName"], now_ms(), is_typing=False)


class BatchConfirmed:
    """The `messages-confirmed` frames of one batch: for the room, and for each sender without the sender's own.

    A room's members may all have sent something, so a frame is cut out of one text instead of being made anew.
    """

    __slots__ = ("_end", "_places", "_start", "_text")

    def __init__(self, room_id: str, messages: Iterable[tuple[int, str]]) -> None:
        """Take the (seq, sender) pairs of the batch."""
        self._start = f'{{"event":"messages-confirmed","data":{{"roomId":"{room_id}","seqs":['
        self._end = "]}}"
        self._places: dict[str, list[tuple[int, int]]] = {}  # sender -> where its numbers stand in the text
        numbers, at = [], 0
        for seq, sender_id in messages:
            number = f"{seq},"
            numbers.append(number)
            self._places.setdefault(sender_id, []).append((at, at + len(number)))
            at += len(number)
        self._text = "".join(numbers)

    @property
    def senders(self) -> Iterable[str]:
        """Whose messages are in the batch."""
        return self._places

    def frame(self, without: str | None = None) -> bytes:
        """Return the frame, or the one that leaves a sender's own numbers out (empty when none is left)."""
        text, at, kept = self._text, 0, []
        for start, end in self._places.get(without, ()) if without is not None else ():
            kept.append(text[at:start])
            at = end
        kept.append(text[at:])
        seqs = "".join(kept)
        return f"{self._start}{seqs[:-1]}{self._end}".encode() if seqs else b""
