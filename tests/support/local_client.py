"""A client of a server process that runs in the test itself."""

from __future__ import annotations

import json
import socket
from typing import Any

from chat.gateway.connection import Connection, ConnectionCallbacks, ConnectionLimits
from chat.gateway.identity import Identity
from chat.gateway.session import Session
from tests.support.greenlets import turn


class LocalClient:
    """A user at the other end of a socket pair, with the server's connection and session for it."""

    def __init__(self, user_id: str, callbacks: ConnectionCallbacks | None = None, **limits: Any) -> None:
        self._socket, served = socket.socketpair()
        self._socket.setblocking(False)
        self._unread = b""
        told = ConnectionLimits(backlog_limit_bytes=16 * 1024 * 1024, **limits)
        ignore = ConnectionCallbacks(lambda *_: None, lambda *_: None, lambda *_: None)
        server_end: Any = socket.socket.__base__  # Connection takes the plain socket beneath Python's
        plain = server_end(served.family, served.type, served.proto, fileno=served.detach())
        self.connection = Connection(plain, told, callbacks or ignore)
        self.session = Session(self.connection, Identity(user_id, user_id.title()))
        self.session.is_busy = False
        self.connection.context = self.session

    def told(self) -> list[dict[str, Any]]:
        """Return the text messages that came since the last asking."""
        turn()
        while True:
            try:
                data = self._socket.recv(1 << 20)
            except BlockingIOError:
                break
            if not data:
                break
            self._unread += data
            turn()
        return [json.loads(payload) for opcode, payload in self._frames() if opcode == 1]

    def close(self) -> None:
        """Hang up, both ends."""
        self.connection.abort()
        self._socket.close()

    def _frames(self) -> list[tuple[int, bytes]]:
        found = []
        while len(self._unread) >= 2:
            length, start = self._unread[1], 2
            if length >= 126:
                start = 4 if length == 126 else 10
                length = int.from_bytes(self._unread[2:start], "big")
            if len(self._unread) < start + length:
                break
            found.append((self._unread[0] & 15, self._unread[start : start + length]))
            self._unread = self._unread[start + length :]
        return found
