"""Asks over raw connections, for what somebody waits for: a tenth of what a redis-py pipeline takes of the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis
import redis
from gevent.lock import BoundedSemaphore

from chat.broker.asking import Command
from chat.broker.client import RedisAddress
from chat.broker.wire import Wire, pack

LIMIT = 16  # connections; who comes then waits for one, as the answers are half a millisecond away


class WireAsking:
    """`chat.broker.asking.Asking` for greenlets: each has a connection to itself while it asks."""

    def __init__(self, address: RedisAddress, limit: int = LIMIT) -> None:
        self._address = address
        self._idle: list[Wire] = []  # the last one used is the next: few stay in use when few ask
        self._places = BoundedSemaphore(limit)

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Ask as `Asking` says; from such a script on all are sent once more, so that their order holds.

        Raises: OSError, redis.ResponseError.
        """
        with self._places:
            replies = self._exchanged(commands)
            lost = next((place for place, reply in enumerate(replies) if _is_error(reply, "NOSCRIPT")), None)
            if lost is not None:
                replies[lost:] = self._exchanged([each.in_full() for each in commands[lost:]])
        for reply in replies:
            if _is_error(reply):
                raise redis.ResponseError(str(reply))
        return replies

    def close(self) -> None:
        """Drop the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _exchanged(self, commands: Sequence[Command]) -> list[Any]:
        wire = self._taken()
        try:
            wire.send(b"".join([pack(each.words) for each in commands]))
            replies = wire.replies(len(commands))
        except BaseException:
            wire.close()  # killed or cut off in mid-reply: the next asker must not get the rest
            raise
        self._idle.append(wire)
        return replies

    def _taken(self) -> Wire:
        while self._idle:
            wire = self._idle.pop()
            if wire.is_quiet():
                return wire
            wire.close()
        wire = Wire(self._address)
        wire.open()
        return wire


def _is_error(reply: Any, start: str = "") -> bool:
    return isinstance(reply, hiredis.ReplyError) and str(reply).startswith(start)
