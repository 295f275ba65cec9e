"""The public keys that show what was just accepted: `chat:msg_temp:{tempId}`, for 60 s and for operators alone."""

from __future__ import annotations

from collections.abc import Iterable

import redis

from chat.broker import keys
from chat.broker.base import Accepted, Draft
from chat.broker.client import translated
from chat.model.events import document, temp_message
from chat.model.ids import message_id

TTL_S = 60


class RedisTempMessages:
    """Writes them; nothing in the chat reads them."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def show(self, accepted: Iterable[tuple[Draft, Accepted]]) -> None:
        """Show messages as they were when they were accepted, in one round trip; raises BrokerUnavailable."""
        with translated("show temporary messages"):
            pipeline = self._client.pipeline(transaction=False)
            for draft, place in accepted:
                body = document(message_id(draft.room_id, place.seq, place.epoch), place.seq, draft.members)
                pipeline.set(keys.msg_temp(draft.temp_id), temp_message(body), ex=TTL_S)
            pipeline.execute()
