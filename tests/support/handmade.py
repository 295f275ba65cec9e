"""The wire by hand, for a client that sends its first frames with its handshake."""

from __future__ import annotations

import json
import socket
from typing import Any

from tests.support.raw_client import TEXT, frame


def upgrade(headers: str) -> bytes:
    """Return a handshake with these lines in it."""
    fixed = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    return f"GET /ws HTTP/1.1\r\n{fixed}{key}{headers}\r\n".encode()


def masked(event: dict[str, Any]) -> bytes:
    """Return an event as a client sends it."""
    return frame(TEXT, json.dumps({"data": {}, **event}).encode())


def frames_of(raw: socket.socket, least: int) -> list[dict[str, Any]]:
    """Return the events that come after the 101 until there are `least` of them."""
    raw.settimeout(10)
    data = b""
    found: list[dict[str, Any]] = []
    while len(found) < least:
        data += raw.recv(65536)
        found, rest = [], data.partition(b"\r\n\r\n")[2]
        while len(rest) >= 4:
            size, start = rest[1], 2
            if size == 126:
                size, start = int.from_bytes(rest[2:4]), 4
            if len(rest) < start + size:
                break
            found.append(json.loads(rest[start : start + size]))
            rest = rest[start + size :]
    return found
