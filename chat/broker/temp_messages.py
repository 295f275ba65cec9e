"""The public keys that show what was just accepted: `chat:msg_temp:{tempId}`, for 60 s and for operators alone.

A connection of its own, packed by hiredis: 3 µs a message, where a pipeline of redis-py took 15 of the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import hiredis

from chat.broker import keys
from chat.broker.base import Accepted, Draft
from chat.broker.client import RedisAddress
from chat.broker.wire import Wire, pack
from chat.errors import BrokerUnavailable
from chat.model.events import document, temp_message
from chat.model.ids import message_id

TTL_S = 60


class RedisTempMessages:
    """Writes them, from one greenlet; nothing in the chat reads them."""

    def __init__(self, address: RedisAddress) -> None:
        self._wire = Wire(address)

    def show(self, accepted: Sequence[tuple[Draft, Accepted]]) -> None:
        """Show messages as they were when they were accepted, in one round trip; raises BrokerUnavailable."""
        commands = b"".join([_command(draft, place) for draft, place in accepted])
        try:
            if not self._wire.is_open:
                self._wire.open()
            self._wire.send(commands)
            replies = self._wire.replies(len(accepted))
        except OSError as exc:
            self._wire.close()
            raise BrokerUnavailable("show temporary messages") from exc
        if refused := [reply for reply in replies if isinstance(reply, hiredis.ReplyError)]:
            raise BrokerUnavailable("show temporary messages") from refused[0]

    def close(self) -> None:
        """Drop the connection."""
        self._wire.close()


def _command(draft: Draft, place: Accepted) -> bytes:
    body = document(message_id(draft.room_id, place.seq, place.epoch), place.seq, draft.members)
    return pack((b"SET", keys.msg_temp(draft.temp_id), temp_message(body), b"EX", TTL_S))
