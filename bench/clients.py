"""Many WebSocket clients in one process, as cheap as Python can be: bytes are counted, not parsed."""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import time
from dataclasses import dataclass, field

SHOWN = b'"event":"new-chat-message"'
CONFIRMED = b'"event":"message-confirmed"'
FAULTS = (b'"event":"error"', b'"event":"message-failed"', b'"event":"closing"', b'"ok":false')
RECEIVE_BYTES = 1 << 20


@dataclass(slots=True)
class Client:
    """One connection in one room."""

    number: int
    room: str
    sock: socket.socket
    tail: bytes = b""
    shown: int = 0
    confirmed: int = 0
    sent: int = 0
    outgoing: bytearray = field(default_factory=bytearray)


def connect(port: int, number: int, room: str) -> Client:
    """Return a client that has joined its room; its user is a guest."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    sock.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    sock.sendall(frame({"event": "join-chat-rooms", "data": {"roomIds": [room]}, "ack": "joined"}))
    seen = b""
    while b'"ack":"joined"' not in seen:
        data = sock.recv(65536)
        if not data or b'"ok":false' in seen:
            raise RuntimeError(f"client {number} was not let in: {seen[-300:]!r}")
        seen += data
    sock.setblocking(False)
    return Client(number, room, sock)


def frame(message: object) -> bytes:
    """Return a masked text frame; the mask is zero, so the payload stands as it is."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    if len(payload) < 126:
        return struct.pack("!BB4x", 0x81, 0x80 | len(payload)) + payload
    return struct.pack("!BBH4x", 0x81, 0x80 | 126, len(payload)) + payload


class Crowd:
    """Clients that send on a window: a room has at most `window` messages under way."""

    def __init__(self, clients: list[Client], messages: int, window: int, content_bytes: int) -> None:
        self.clients = clients
        self.rooms: dict[str, list[Client]] = {}
        for client in clients:
            self.rooms.setdefault(client.room, []).append(client)
        self.per_room = messages // len(self.rooms)
        self.window = window
        self.content = "x" * content_bytes
        self.run_id = os.urandom(4).hex()
        self.selector = selectors.DefaultSelector()
        for client in clients:
            self.selector.register(client.sock, selectors.EVENT_READ, client)

    @property
    def deliveries(self) -> int:
        """How many messages arrived, over all clients."""
        return sum(client.shown for client in self.clients)

    @property
    def expected(self) -> int:
        """How many will have arrived at the end."""
        return sum(self.per_room * len(members) for members in self.rooms.values())

    def flood(self, timeout_s: float) -> float:
        """Send everything and read until everything has arrived everywhere; return the seconds it took."""
        begin = time.monotonic()
        while self.deliveries < self.expected:
            self._send()
            self._read(0.2)
            if time.monotonic() - begin > timeout_s:
                raise RuntimeError(f"only {self.deliveries} of {self.expected} deliveries in {timeout_s} s")
        return time.monotonic() - begin

    def await_confirmations(self, timeout_s: float) -> float:
        """Read until every message is confirmed to its sender; return the seconds it took."""
        begin = time.monotonic()
        total = self.per_room * len(self.rooms)
        while sum(client.confirmed for client in self.clients) < total:
            self._read(0.2)
            if time.monotonic() - begin > timeout_s:
                raise RuntimeError(f"not confirmed within {timeout_s} s")
        return time.monotonic() - begin

    def close(self) -> None:
        """Hang up."""
        for client in self.clients:
            client.sock.close()
        self.selector.close()

    def _send(self) -> None:
        for members in self.rooms.values():
            sent = sum(client.sent for client in members)
            slowest = min(client.shown for client in members)
            room_for = min(self.per_room - sent, self.window - (sent - slowest))
            for turn in range(max(0, room_for)):
                client = members[(sent + turn) % len(members)]
                client.outgoing += self._message(client)
                client.sent += 1
            for client in members:
                if client.outgoing:
                    self._flush(client)

    def _flush(self, client: Client) -> None:
        try:
            taken = client.sock.send(client.outgoing)
        except BlockingIOError:
            return
        del client.outgoing[:taken]

    def _message(self, client: Client) -> bytes:
        temp_id = f"{self.run_id}-{client.number}-{client.sent}"
        data = {"roomId": client.room, "content": self.content, "temp_id": temp_id}
        return frame({"event": "send-chat-message", "data": data})

    def _read(self, timeout_s: float) -> None:
        for key, _ in self.selector.select(timeout_s):
            client: Client = key.data
            try:
                data = client.sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue
            if not data:
                raise RuntimeError(f"client {client.number} was hung up on")
            self._count(client, client.tail + data)

    def _count(self, client: Client, data: bytes) -> None:
        # A name that is cut by the end of this read is counted with the next; kept bytes hold no whole name.
        client.shown += data.count(SHOWN)
        client.confirmed += data.count(CONFIRMED)
        if data.find(b'"message-failed"') >= 0 or data.find(b'"event":"error"') >= 0:
            at = max(data.find(b'"message-failed"'), data.find(b'"event":"error"'))
            raise RuntimeError(f"refused: {data[at : at + 300]!r}")
        keep = len(CONFIRMED) - 1
        last = max(data.rfind(SHOWN) + len(SHOWN), data.rfind(CONFIRMED) + len(CONFIRMED), len(data) - keep)
        client.tail = data[last:]
