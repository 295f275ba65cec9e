"""What travels on Redis's channels and stands in the room's log: one header line, then origins and frames.

The forms are written by `accept_messages.lua`, `confirm_messages.lua` and `retract_message.lua`, and read here.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

PASSING_KINDS = ("typing", "seen")


class Origin(NamedTuple):
    """Whose message an event is about; `epoch` is the one the message was numbered under."""

    seq: int
    sender_id: str
    temp_id: str
    accepted_ms: int
    epoch: str


class RoomEvents(NamedTuple):
    """Durable events of a room with consecutive offsets, one frame each."""

    kind: str  # new | retracted
    room_id: str
    epoch: str
    first_offset: int
    origins: list[Origin]
    frames: list[bytes]


class Confirmed(NamedTuple):
    """Messages of a room that are stored now, as (seq, sender)."""

    epoch: str
    messages: list[tuple[int, str]]


class Passing(NamedTuple):
    """What everyone in a room is told at once or never: it has no offset and is in no log."""

    kind: str  # typing | seen
    user_id: str  # who types, or has seen
    is_on: bool  # of typing: whether it goes on
    frame: bytes


class UserEvents(NamedTuple):
    """What only a user's own connections are told, and the messages it settles."""

    kind: str  # confirmed | failed
    epoch: str
    room_id: str
    seqs: list[int]
    frames: list[bytes]


def passing(kind: str, user_id: str, frame: bytes, *, is_on: bool = True) -> bytes:
    """Return what `read_room` reads as `Passing`."""
    return f"{kind} {user_id} {int(is_on)}\n".encode() + frame


class UnreadTold(NamedTuple):
    """What changed in a user's unread counts; `is_new` for a message that only those outside the room missed."""

    room_id: str
    is_new: bool
    frame: bytes


def unread_payload(room_id: str, unread: int, total: int, *, is_new: bool) -> bytes:
    """Return what `read_unread` reads."""
    told = {"roomId": room_id, "unread": unread, "total": total}
    frame = msgspec.json.encode({"event": "unread-counts", "data": told})
    return f"unread {room_id} {int(is_new)}\n".encode() + frame


def read_unread(payload: bytes) -> UnreadTold:
    """Read what a user's channel says of unread counts."""
    header, frame = payload.split(b"\n", 1)
    _, room_id, is_new = header.decode().split(" ")
    return UnreadTold(room_id, is_new == "1", frame)


def read_room(room_id: str, payload: bytes) -> RoomEvents | Confirmed | Passing:
    """Read what was published to a room."""
    if payload.startswith(b"confirmed "):
        _, epoch, *pairs = payload.decode().split(" ")
        split = [pair.split(":") for pair in pairs]
        return Confirmed(epoch, [(int(seq), sender) for seq, sender in split])
    lines = payload.split(b"\n")
    header = lines[0].decode().split(" ")
    if header[0] in PASSING_KINDS:
        return Passing(header[0], header[1], header[2] == "1", lines[1])
    kind, epoch, first_offset = header[0], header[1], int(header[2])
    if kind == "new":
        first_seq = int(header[4])
        origins = [_origin(first_seq + i, epoch, line) for i, line in enumerate(lines[1::2])]
        return RoomEvents(kind, room_id, epoch, first_offset, origins, lines[2::2])
    origin = Origin(int(header[4]), lines[1].decode(), "", 0, header[5])
    return RoomEvents(kind, room_id, epoch, first_offset, [origin], lines[2::2])


def read_user(payload: bytes) -> UserEvents:
    """Read what was published to a user."""
    lines = payload.split(b"\n")
    kind, epoch, room_id, *seqs = lines[0].decode().split(" ")
    return UserEvents(kind, epoch, room_id, [int(seq) for seq in seqs], lines[1:])


def _origin(seq: int, epoch: str, line: bytes) -> Origin:
    sender_id, temp_id, accepted_ms = line.decode().split(" ")
    return Origin(seq, sender_id, temp_id, int(accepted_ms), epoch)
