"""A checked `send` becomes a draft: everything about a message but its number."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.broker.base import Draft
from chat.errors import InvalidRequest
from chat.model.clock import now_ms, rfc3339
from chat.model.ids import parse_message_id

ATTACHMENT_LIMIT = 10
ATTACHMENTS_LIMIT_BYTES = 8192
METADATA_LIMIT_BYTES = 4096


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


@dataclass(frozen=True, slots=True)
class Outgoing:
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
            outgoing.metadata or {},
        )
        body = self._encode(members)[1:-1]
        return Draft(outgoing.room_id, sender_id, temp_id, at, rfc3339(at + self._give_up_ms), body)

    def _check(self, outgoing: Outgoing) -> None:
        content = outgoing.content
        if not content or content.isspace():
            if not outgoing.attachments:
                raise InvalidRequest("content is empty; write something or attach something", field="content")
        elif (
            len(content) * 4 > self._content_limit_bytes
        ):  # cheap first: UTF-8 has at most 4 bytes a character
            size = len(content.encode())
            if size > self._content_limit_bytes:
                limit = self._content_limit_bytes
                raise InvalidRequest(f"content has {size} bytes; send at most {limit}", field="content")
        if outgoing.reply_to is not None:
            self._check_reply(outgoing)
        if outgoing.attachments:
            self._check_attachments(outgoing.attachments)
        if outgoing.metadata and len(self._encode(outgoing.metadata)) > METADATA_LIMIT_BYTES:
            raise InvalidRequest(
                f"metadata is larger than {METADATA_LIMIT_BYTES} bytes of JSON", field="metadata"
            )

    def _check_reply(self, outgoing: Outgoing) -> None:
        ref = parse_message_id(outgoing.reply_to or "")
        if ref is None or ref.room_id != outgoing.room_id:
            raise InvalidRequest("reply_to is no message of this room; give the id of one", field="reply_to")

    def _check_attachments(self, attachments: list[dict[str, Any]]) -> None:
        if len(attachments) > ATTACHMENT_LIMIT:
            raise InvalidRequest(f"at most {ATTACHMENT_LIMIT} attachments", field="attachments")
        if len(self._encode(attachments)) > ATTACHMENTS_LIMIT_BYTES:
            limit = ATTACHMENTS_LIMIT_BYTES
            raise InvalidRequest(f"attachments are larger than {limit} bytes of JSON", field="attachments")
