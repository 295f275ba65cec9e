"""Guests, with AUTH_MODE=dev: one may still say who it is in its first frame, as strangers do in `jwt` mode.

So a client that authenticates that way works in both modes. After any other frame it stays the guest it is.
"""

from __future__ import annotations

from dataclasses import replace

from chat.gateway.connection import Connection, ConnectionCallbacks, new_connection_id
from chat.gateway.doorway import Doorway
from chat.protocol import codec, commands

WENT_ON = 1000  # the code with which a guest ends whose connection goes on


class Guests:
    """Looks at the first text of each guest, which `callbacks` get otherwise."""

    def __init__(self, doorway: Doorway, callbacks: ConnectionCallbacks, frame_limit_bytes: int) -> None:
        self._doorway = doorway
        self._callbacks = callbacks
        self._frame_limit_bytes = frame_limit_bytes
        self._first = replace(callbacks, on_message=self.on_first_message)

    def listen(self, connection: Connection) -> None:
        """Look at the first text of a guest that was welcomed."""
        connection.hand_over(self._first, self._frame_limit_bytes)

    def on_first_message(self, connection: Connection, payload: bytes) -> None:
        """Let the guest go, and take its connection for a stranger's, when it says who it is."""
        connection.hand_over(self._callbacks, self._frame_limit_bytes)
        if not _says_who(payload):
            self._callbacks.on_message(connection, payload)
            return
        self._callbacks.on_closed(connection, WENT_ON)
        connection.connection_id = new_connection_id()  # the guest's is forgotten everywhere, behind this
        self._doorway.let_wait(connection)
        self._doorway.on_message(connection, payload)


def _says_who(payload: bytes) -> bool:
    try:
        return isinstance(codec.decode(payload), commands.Authenticate)
    except codec.Refused:
        return False
