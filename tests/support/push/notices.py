"""Notices for tests."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from typing import Any

from chat.push.base import Notice, NoticeKind

NOTICE = Notice(
    id="0f0e0d0c-0b0a-4908-8706-050403020100",
    kind=NoticeKind.MESSAGE,
    collapse=hashlib.sha256(b"room456").hexdigest()[:32],
    room_id="room456",
    message_id="m1",
    seq=7,
    title="Ann",
    body="Grüße aus Zürich 👋",
    unread=3,
    ttl_s=60,
)


def notice(**told: Any) -> Notice:
    """Return a notice with a new id, and with some members replaced."""
    return replace(NOTICE, **{"id": str(uuid.uuid4()), **told})
