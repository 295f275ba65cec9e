"""What travels on Redis's channels and stands in the room's log: one header line, then origins and frames.

The forms are written by `accept_messages.lua`, `confirm_messages.lua`, `retract_message.lua`, `append_event.lua`
and `mark_seen.lua`, and read here.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from chat.model.seen import SeenTold, read_seen

NOBODY, EVERYBODY = "-", "*"  # no user's id


class Origin(NamedTuple):
    """Whose message an event is about; `epoch` is the one the message was numbered under."""

    seq: int
    sender_id: str
    temp_id: str
    accepted_ms: int
    epoch: str


class RoomEvents(NamedTuple):
    """Durable events of a room with consecutive offsets, one frame each."""

    kind: str  # new | retracted | event
    room_id: str
    epoch: str
    first_offset: int
    origins: list[Origin]
    frames: list[bytes]
    cut: str = NOBODY  # who hears nothing more of the room after this: a user, or everybody


class Confirmed(NamedTuple):
    """Messages of a room that are stored now, as (seq, sender)."""

    epoch: str
    messages: list[tuple[int, str]]


class TypingTold(NamedTuple):
    """Somebody types in a room, or does not any more."""

    user_id: str
    is_on: bool  # whether it goes on
    frame: bytes
    node_id: str = ""  # the server whose own connections have heard it already


Passing = TypingTold | SeenTold  # what a room is told at once or never: it has no offset and is in no log


class UserEvents(NamedTuple):
    """What only a user's own connections are told, and the messages it settles."""

    kind: str  # confirmed | failed
    epoch: str
    room_id: str
    seqs: list[int]
    frames: list[bytes]


def typing_payload(user_id: str, frame: bytes, *, is_on: bool = True, node_id: str = "") -> bytes:
    """Return what `read_room` reads as `TypingTold`."""
    return f"typing {user_id} {int(is_on)} {node_id}\n".encode() + frame


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
    if payload.startswith(b"seen "):
        return read_seen(payload.decode())
    lines = payload.split(b"\n")
    header = lines[0].decode().split(" ")
    if header[0] == "typing":
        return TypingTold(header[1], header[2] == "1", lines[1], "".join(header[3:]))
    kind, epoch, first_offset = header[0], header[1], int(header[2])
    if kind == "new":
        first_seq = int(header[4])
        origins = [_origin(first_seq + i, epoch, line) for i, line in enumerate(lines[1::2])]
        return RoomEvents(kind, room_id, epoch, first_offset, origins, lines[2::2])
    if kind == "event":
        origin = Origin(0, "", "", 0, epoch)
        return RoomEvents(kind, room_id, epoch, first_offset, [origin], lines[2:3], lines[1].decode())
    origin = Origin(int(header[4]), lines[1].decode(), "", 0, header[5])
    return RoomEvents(kind, room_id, epoch, first_offset, [origin], lines[2::2])


class MembersChange(NamedTuple):
    """What every server is told when a room's members, roles or name change, or the room ends."""

    room_id: str
    cut: str  # as in RoomEvents
    token: str  # to acknowledge it with, once nothing more reaches who was cut off
    asked_by: str  # the server that waits for that, or `-`
    users: list[str]  # who is told, also where they do not listen to the room
    frame: bytes

    def header(self) -> bytes:
        """Return what precedes the frame on the channel."""
        first = f"changed {self.token or '-'} {self.asked_by or '-'} {self.room_id} {self.cut}"
        return f"{first}\n{' '.join(self.users)}\n".encode()


def read_members_change(payload: bytes) -> MembersChange | None:
    """Read what was published to the members channel; None for what is of another form."""
    header, _, rest = payload.partition(b"\n")
    users, _, frame = rest.partition(b"\n")
    match header.decode(errors="replace").split(" "):
        case ["changed", token, asked_by, room_id, cut]:
            return MembersChange(room_id, cut, token, asked_by, users.decode().split(), frame)
    return None


def read_user(payload: bytes) -> UserEvents:
    """Read what was published to a user."""
    lines = payload.split(b"\n")
    kind, epoch, room_id, *seqs = lines[0].decode().split(" ")
    return UserEvents(kind, epoch, room_id, [int(seq) for seq in seqs], lines[1:])


def _origin(seq: int, epoch: str, line: bytes) -> Origin:
    sender_id, temp_id, accepted_ms = line.decode().split(" ")
    return Origin(seq, sender_id, temp_id, int(accepted_ms), epoch)
