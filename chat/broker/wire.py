"""One raw connection to Redis for the hot paths: accept, pub/sub, and what somebody waits for.

redis-py makes it (address, TLS, credentials, Sentinel), hiredis packs and parses on it: 1.5 µs a message
where redis-py's own reading costs above 10.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import hiredis
from redis.exceptions import RedisError

from chat.broker.client import RedisAddress, connection_pool, is_quiet

RECEIVE_BYTES = 262_144  # one read holds a few hundred messages, so one turn of the loop fans all of them out


class Wire:
    """Packed commands out, parsed replies in; every fault is an OSError."""

    def __init__(self, address: RedisAddress) -> None:
        self._pool = connection_pool(address, size=1, protocol=2)
        self._connection: Any = None
        self._socket: Any = None
        self._reader = hiredis.Reader()

    @property
    def is_open(self) -> bool:
        """Tell whether `open` succeeded and nothing closed it since."""
        return self._socket is not None

    def open(self) -> None:
        """Connect; raises OSError within the address's timeouts."""
        self.close()
        try:
            connection = self._pool.get_connection()
            connection.connect()
        except RedisError as exc:
            raise ConnectionError(str(exc)) from exc
        self._connection = connection
        self._socket = connection._sock
        self._reader = hiredis.Reader()
        if self._socket.family != socket.AF_UNIX:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def is_quiet(self) -> bool:
        """Tell whether it may be used again: nothing came since the last reply, not even its end."""
        return self._socket is not None and is_quiet(self._socket)

    def set_timeout(self, seconds: float | None) -> None:
        """Set how long a read or write may wait."""
        self._socket.settimeout(seconds)

    def send(self, commands: bytes) -> None:
        """Write packed commands."""
        self._socket.sendall(commands)

    def receive(self) -> None:
        """Read once from the socket into the parser; raises ConnectionError at its end."""
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionError("Redis closed the connection")
        self._reader.feed(data)

    def next_reply(self) -> Any:
        """Return the next parsed reply, or False when more bytes are needed."""
        try:
            return self._reader.gets()
        except hiredis.ProtocolError as exc:
            raise ConnectionError(str(exc)) from exc

    def replies(self, count: int) -> list[Any]:
        """Read until `count` replies are there; an error reply is a `hiredis.ReplyError` in the list."""
        found: list[Any] = []
        while len(found) < count:
            reply = self.next_reply()
            if reply is False:
                self.receive()
            else:
                found.append(reply)
        return found

    def call(self, *command: bytes | str | int) -> Any:
        """Send one command and return its reply; raises ConnectionError for an error reply."""
        self.send(pack(command))
        reply = self.replies(1)[0]
        if isinstance(reply, hiredis.ReplyError):
            raise ConnectionError(str(reply))
        return reply

    def close(self) -> None:
        """Drop the connection; what was under way on it is lost."""
        connection, self._connection, self._socket = self._connection, None, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)


def pack(command: Iterable[bytes | str | int]) -> bytes:
    """Return the command in Redis's protocol."""
    arguments: Any = tuple(command)  # hiredis's own type speaks of one argument only
    packed: bytes = hiredis.pack_command(arguments)
    return packed
