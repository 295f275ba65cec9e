"""WebSocket connections of a benchmark: dialled, joined, and their frames read one by one."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

RECEIVE_BYTES = 1 << 18
TEXT, CLOSE, PING = 0x81, 0x88, 0x89


def frame(message: object) -> bytes:
    """Return a masked text frame; the mask is zero, so the payload stands as it is."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    if len(payload) < 126:
        return struct.pack("!BB4x", TEXT, 0x80 | len(payload)) + payload
    return struct.pack("!BBH4x", TEXT, 0x80 | 126, len(payload)) + payload


def dial(port: int, path: str = "/ws", token: str | None = None) -> socket.socket:
    """Return a connection behind its handshake; without a token its user is a guest.

    Raises: RuntimeError, when it is refused.
    """
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    identity = f"Authorization: Bearer {token}\r\n" if token else ""
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{identity}"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # byte by byte: what follows are frames
        data = sock.recv(1)
        if not data:
            raise RuntimeError(f"hung up on: {head!r}")
        head += data
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(f"not let in: {head!r}")
    return sock


def join(sock: socket.socket, room: str) -> None:
    """Join a room on a connection that nobody reads yet, and throw away what comes before the answer."""
    sock.sendall(frame({"event": "join-chat-rooms", "data": {"roomIds": [room]}, "ack": "joined"}))
    seen = b""
    while b'"ack":"joined"' not in seen:
        data = sock.recv(65536)
        seen += data
        if not data or b'"ok":false' in seen:
            raise RuntimeError(f"not let into {room}: {seen[-300:]!r}")


class Reader:
    """The receiving side of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._tail = b""

    def receive(self) -> Iterator[bytes]:
        """Return the payloads of all text frames that are there; pings are answered.

        Raises: RuntimeError, when the server hangs up.
        """
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise RuntimeError("the server hung up")
        data, at = self._tail + data, 0
        while (found := _frame_at(data, at)) is not None:
            kind, begin, end = found
            if kind == TEXT:
                yield data[begin:end]
            elif kind == PING:
                self.sock.send(struct.pack("!BB4x", 0x8A, 0x80 | (end - begin)) + data[begin:end])
            elif kind == CLOSE:
                raise RuntimeError(f"the server closes: {data[begin:end]!r}")
            at = end
        self._tail = data[at:]


def _frame_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return kind, begin and end of the payload of a whole frame."""
    if len(data) < at + 2:
        return None
    size, begin = data[at + 1] & 127, at + 2
    if size > 125:
        wide = 2 if size == 126 else 8
        if len(data) < begin + wide:
            return None
        size, begin = int.from_bytes(data[begin : begin + wide], "big"), begin + wide
    return (data[at], begin, begin + size) if len(data) >= begin + size else None
