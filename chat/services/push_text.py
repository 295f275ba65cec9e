"""What a notification says: who wrote and where, the newest text, and how much more there is."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Literal, NamedTuple

import msgspec

from chat.model.room import RoomRecord, RoomType
from chat.push.base import COLLAPSE_LIMIT

TITLE_LIMIT = 100  # characters; a phone shows some 40
BODY_LIMIT = 300  # and some 150 of these
NAMED_FILES = 3
NAMESPACE = uuid.UUID("5f0c4b8e-3c5b-4c39-9d7b-0b6f6f0f2c1d")  # of our notices' ids; any fixed one does

Content = Literal["full", "sender", "none"]


class _Attachment(msgspec.Struct, frozen=True):
    name: str | None = None
    type: str | None = None


class PushMessage(msgspec.Struct, frozen=True):
    """The parts of a stored message that a notification is made of."""

    id: str
    seq: int
    sender_id: str
    content: str = ""
    sender_name: str = ""
    attachments: list[_Attachment] = []
    metadata: dict[str, msgspec.Raw] = {}
    deleted_at: str | None = None

    def names(self, user_id: str) -> bool:
        """Tell whether a user is mentioned."""
        named = self.metadata.get("mentions")
        return named is not None and user_id in msgspec.json.decode(named)


class Text(NamedTuple):
    """What a notification shows."""

    title: str
    body: str


def text_of(message: PushMessage, room: RoomRecord, unread: int, content: Content) -> Text:
    """Return the text for a message and the others that are unread in its room."""
    more = max(unread - 1, 0)
    if content == "none":
        return Text(_news(more), "")
    name = message.sender_name or message.sender_id
    if room.type is not RoomType.DIRECT and room.name:
        name = f"{name} in {room.name}"
    title = _cut(name, TITLE_LIMIT)
    if content == "sender":
        return Text(title, _news(more))
    body = _cut(" ".join(message.content.split()) or _files(message), BODY_LIMIT)
    return Text(title, f"{body}\n+{more} more" if more else body)


def collapse_of(room_id: str) -> str:
    """Return what makes a later notification of a room take the place of the one before."""
    digest = hashlib.sha256(room_id.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:COLLAPSE_LIMIT]


def notice_id(what: str, device_id: str) -> str:
    """Return the id of a notice, the same for each try."""
    return str(uuid.uuid5(NAMESPACE, f"{what}:{device_id}"))


def _news(more: int) -> str:
    return f"{more + 1} new messages" if more else "New message"


def _files(message: PushMessage) -> str:
    names = [each.name or each.type or "file" for each in message.attachments]
    if not names:
        return ""
    shown = ", ".join(names[:NAMED_FILES])
    rest = f" and {len(names) - NAMED_FILES} more" if len(names) > NAMED_FILES else ""
    return f"Attachment: {shown}" if len(names) == 1 else f"Attachments: {shown}{rest}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
