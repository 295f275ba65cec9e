"""Small messages, before they are accepted."""

from __future__ import annotations

import json

from chat.broker.base import Draft

CONFIRM_BY = "2023-11-14T22:13:30Z"
ACCEPTED_MS = 1_700_000_000_000


def draft(temp_id: str, room_id: str = "room456", sender_id: str = "ann") -> Draft:
    """Return a small message."""
    body = {"room_id": room_id, "sender_id": sender_id, "temp_id": temp_id, "content": f"says {temp_id}"}
    members = json.dumps(body, separators=(",", ":"))[1:-1].encode()
    return Draft(room_id, sender_id, temp_id, ACCEPTED_MS, CONFIRM_BY, members)
