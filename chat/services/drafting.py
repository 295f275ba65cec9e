"""A checked `send` becomes a draft: everything about a message but its number."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from chat.broker.base import Draft
from chat.errors import InvalidRequest
from chat.model.clock import now_ms, rfc3339
from chat.model.ids import is_id, parse_message_id
from chat.model.mentions import MENTIONS_LIMIT, named_in
from chat.services.attachments import check_attachments

ATTACHMENT_LIMIT = 10
ATTACHMENTS_LIMIT_BYTES = 8192
METADATA_LIMIT_BYTES = 4096
DEPTH_LIMIT = 32  # of objects and lists in one another: others read it too, with whatever stack they have


class _Members(msgspec.Struct, frozen=True, gc=False):
    """A message's JSON members but `id` and `seq`, in the order they are shown."""

    room_id: str
    sender_id: str
    sender_name: str
    content: str
    temp_id: str
    created_at: str
    reply_to: str | None
    attachments: list[dict[str, Any]]
    metadata: dict[str, Any]
    edited_at: None = None
    deleted_at: None = None
    reactions: dict[str, list[str]] = {}


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """What a user wants to send."""

    room_id: str
    content: str
    temp_id: str | None = None
    reply_to: str | None = None
    attachments: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None


class Drafting:
    """Makes drafts; `give_up_s` is how long a message may wait to be stored."""

    def __init__(self, *, content_limit_bytes: int, give_up_s: float) -> None:
        self._content_limit_bytes = content_limit_bytes
        self._give_up_ms = int(give_up_s * 1000)
        self._encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode

    def draft(self, outgoing: Outgoing, sender_id: str, sender_name: str) -> Draft:
        """Return the draft; raises InvalidRequest, which names the field and the mend."""
        self._check(outgoing)
        temp_id = outgoing.temp_id or f"srv-{secrets.token_hex(10)}"
        at = now_ms()
        members = _Members(
            outgoing.room_id,
            sender_id,
            sender_name,
            outgoing.content,
            temp_id,
            rfc3339(at),
            outgoing.reply_to,
            outgoing.attachments or [],
            _with_mentions(outgoing.content, outgoing.metadata or {}),
        )
        body = self._encode(members)[1:-1]
        return Draft(outgoing.room_id, sender_id, temp_id, at, rfc3339(at + self._give_up_ms), body)

    def check_edit(self, content: str) -> None:
        """Return when a message may say this from now on; raises InvalidRequest."""
        if not content or content.isspace():
            raise InvalidRequest("content is empty; write something, or delete the message", field="content")
        self._check_size(content)

    def _check(self, outgoing: Outgoing) -> None:
        content = outgoing.content
        if (not content or content.isspace()) and not outgoing.attachments:
            raise InvalidRequest("content is empty; write something or attach something", field="content")
        # cheap first: UTF-8 has at most 4 bytes a character
        if len(content) * 4 > self._content_limit_bytes:
            self._check_size(content)
        if outgoing.reply_to is not None:
            self._check_reply(outgoing)
        if outgoing.attachments:
            self._check_attachments(outgoing.attachments)
        if outgoing.metadata and self._size(outgoing.metadata, "metadata") > METADATA_LIMIT_BYTES:
            raise InvalidRequest(f"metadata is larger than {METADATA_LIMIT_BYTES} bytes of JSON", field="metadata")
        if outgoing.metadata and "mentions" in outgoing.metadata:
            _check_mentions(outgoing.metadata["mentions"])

    def _check_size(self, content: str) -> None:
        size = len(content.encode())
        if size > self._content_limit_bytes:
            limit = self._content_limit_bytes
            raise InvalidRequest(f"content has {size} bytes; send at most {limit}", field="content")

    def _check_reply(self, outgoing: Outgoing) -> None:
        ref = parse_message_id(outgoing.reply_to or "")
        if ref is None or ref.room_id != outgoing.room_id:
            raise InvalidRequest("reply_to is no message of this room; give the id of one", field="reply_to")

    def _check_attachments(self, attachments: list[dict[str, Any]]) -> None:
        if len(attachments) > ATTACHMENT_LIMIT:
            raise InvalidRequest(f"at most {ATTACHMENT_LIMIT} attachments", field="attachments")
        if self._size(attachments, "attachments") > ATTACHMENTS_LIMIT_BYTES:
            limit = ATTACHMENTS_LIMIT_BYTES
            raise InvalidRequest(f"attachments are larger than {limit} bytes of JSON", field="attachments")
        check_attachments(attachments)

    def _size(self, value: object, field: str) -> int:
        """Return how long it is as JSON, when it is flat enough for everyone who will read it."""
        level: list[object] = [value]
        for _ in range(DEPTH_LIMIT + 1):
            level = [inner for outer in level for inner in _inside(outer)]
            if not level:
                return len(self._encode(value))
        raise InvalidRequest(f"{field} is nested deeper than {DEPTH_LIMIT} levels; flatten it", field=field)


def _check_mentions(mentions: object) -> None:
    if not isinstance(mentions, list) or not all(map(is_id, mentions)):
        raise InvalidRequest("metadata.mentions must be a list of user ids", field="metadata")
    if len(mentions) > MENTIONS_LIMIT:
        raise InvalidRequest(f"metadata.mentions names at most {MENTIONS_LIMIT} users", field="metadata")


def _with_mentions(content: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata with all who are named, there or in the text, the first so many of them."""
    if "@" not in content and "mentions" not in metadata:
        return metadata  # most messages
    named = [*metadata.get("mentions", ()), *named_in(content)]
    return {**metadata, "mentions": list(dict.fromkeys(named))[:MENTIONS_LIMIT]} if named else metadata


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
