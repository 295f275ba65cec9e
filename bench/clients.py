"""Many WebSocket clients in one process, cheap enough that the server is what is measured.

A room has a few members that send and read, and one that only reads; all others throw their bytes away inside the
kernel (`MSG_TRUNC`, tcp(7)) and are checked at the end: each must have got as many as the one that reads.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from dataclasses import dataclass, field

from bench.socket_client import dial, frame, join

SHOWN = b'"event":"new-chat-message"'
CONFIRMED = b'"event":"message-confirmed"'
FAULTS = (b'"event":"error"', b'"event":"message-failed"', b'"event":"closing"')
RECEIVE_BYTES = 1 << 20
SENDERS = 5  # of a room's members
QUIET_S = 1.0  # nothing came for so long: everybody was told who else has come


@dataclass(slots=True)
class Client:
    """One connection in one room."""

    number: int
    room: str
    sock: socket.socket
    is_reading: bool
    tail: bytes = b""
    received_bytes: int = 0
    shown: int = 0
    confirmed: int = 0
    sent: int = 0
    outgoing: bytearray = field(default_factory=bytearray)


def connect(port: int, number: int, room: str, *, is_reading: bool) -> Client:
    """Return a client that has joined its room; its user is a guest."""
    sock = dial(port)
    join(sock, room)
    sock.setblocking(False)
    return Client(number, room, sock, is_reading)


class Room:
    """The clients of one room."""

    def __init__(self, port: int, name: str, members: int) -> None:
        readers = min(members, SENDERS + 1)
        self.members = [connect(port, n, name, is_reading=n < readers) for n in range(members)]
        self.senders = self.members[: readers - 1]
        self.reference = self.members[readers - 1]  # hears what every silent member hears
        self.silent = self.members[readers:]
        self.sent = 0

    @property
    def shown(self) -> int:
        """How many messages every reading member has seen."""
        return min(client.shown for client in (*self.senders, self.reference))


class Crowd:
    """Rooms that are flooded: each has at most `window` messages under way."""

    def __init__(self, rooms: list[Room], messages: int, window: int, content_bytes: int) -> None:
        self.rooms = rooms
        self.per_room = messages // len(rooms)
        self.window = window
        self.content = "x" * content_bytes
        self.run_id = os.urandom(4).hex()
        self.selector = selectors.DefaultSelector()
        for room in rooms:
            for client in room.members:
                self.selector.register(client.sock, selectors.EVENT_READ, client)

    @property
    def messages(self) -> int:
        """How many are sent in all."""
        return self.per_room * len(self.rooms)

    @property
    def deliveries(self) -> int:
        """How many arrive, over all members."""
        return sum(self.per_room * len(room.members) for room in self.rooms)

    def flood(self, timeout_s: float) -> float:
        """Send everything and read until everyone who reads has all of it; return the seconds it took."""
        self._await_quiet()
        begin = time.monotonic()
        while any(room.shown < self.per_room for room in self.rooms):
            self._send()
            self._read(0.2)
            self._check_time(begin, timeout_s)
        return time.monotonic() - begin

    def settle(self, timeout_s: float) -> float:
        """Read until every message is confirmed and the silent ones have all; return the seconds it took."""
        begin = time.monotonic()
        while not self._is_settled():
            self._read(0.05)
            self._check_time(begin, timeout_s)
        return time.monotonic() - begin

    def close(self) -> None:
        """Hang up."""
        for room in self.rooms:
            for client in room.members:
                client.sock.close()
        self.selector.close()

    def _await_quiet(self) -> None:
        """Leave out of the comparison what members were told of those who came after them."""
        while self._read(QUIET_S):
            pass
        for room in self.rooms:
            for client in room.members:
                client.received_bytes = 0

    def _is_settled(self) -> bool:
        return all(
            sum(client.confirmed for client in room.senders) == self.per_room
            and all(client.received_bytes == room.reference.received_bytes for client in room.silent)
            for room in self.rooms
        )

    def _check_time(self, begin: float, timeout_s: float) -> None:
        if time.monotonic() - begin > timeout_s:
            seen = [(room.sent, room.shown, sum(each.confirmed for each in room.senders)) for room in self.rooms]
            raise RuntimeError(f"not done in {timeout_s} s; sent, shown, confirmed by room: {seen}")

    def _send(self) -> None:
        for room in self.rooms:
            free = min(self.per_room - room.sent, self.window - (room.sent - room.shown))
            for _ in range(max(0, free)):
                client = room.senders[room.sent % len(room.senders)]
                client.outgoing += self._message(client)
                client.sent += 1
                room.sent += 1
            for client in room.senders:
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

    def _read(self, timeout_s: float) -> bool:
        """Take what comes within this time; return whether anything did."""
        ready = self.selector.select(timeout_s)
        for key, _ in ready:
            client: Client = key.data
            try:
                if client.is_reading:
                    data = client.sock.recv(RECEIVE_BYTES)
                    self._count(client, data)
                else:
                    # The buffer stays untouched; only the number of thrown away bytes comes back.
                    client.received_bytes += client.sock.recv_into(_NOWHERE, RECEIVE_BYTES, socket.MSG_TRUNC)
            except BlockingIOError:
                continue
        return bool(ready)

    def _count(self, client: Client, data: bytes) -> None:
        if not data:
            raise RuntimeError(f"client {client.number} was hung up on")
        client.received_bytes += len(data)
        data = client.tail + data
        # A name that is cut by the end of this read is counted with the next; kept bytes hold no whole name.
        client.shown += data.count(SHOWN)
        client.confirmed += data.count(CONFIRMED)
        for fault in FAULTS:
            if (at := data.find(fault)) >= 0:
                raise RuntimeError(f"refused: {data[at : at + 300]!r}")
        keep = len(CONFIRMED) - 1
        last = max(data.rfind(SHOWN) + len(SHOWN), data.rfind(CONFIRMED) + len(CONFIRMED), len(data) - keep)
        client.tail = data[last:]


_NOWHERE = bytearray(RECEIVE_BYTES)
