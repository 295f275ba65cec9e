"""That somebody types, told to a room and kept for 3 s under the public key; nothing here is ever stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.model.publication import typing_payload

TTL_S = 3


class TypingChange(NamedTuple):
    """Somebody types, or does not any more; `frame` is the `chat-user-typing` that says so."""

    room_id: str
    user_id: str
    is_typing: bool
    frame: bytes


class RedisTyping:
    """`chat:typing:{room}:{user}`, and the rooms' channels."""

    def __init__(self, client: redis.Redis, node_id: str) -> None:
        self._client = client
        self._node_id = node_id

    def tell(self, changes: Iterable[TypingChange]) -> None:
        """Tell rooms in one round trip; raises BrokerUnavailable."""
        with translated("tell typing"):
            pipeline = self._client.pipeline(transaction=False)
            for each in changes:
                key = keys.typing(each.room_id, each.user_id)
                if each.is_typing:
                    pipeline.set(key, "1", ex=TTL_S)
                else:
                    pipeline.delete(key)
                payload = typing_payload(each.user_id, each.frame, is_on=each.is_typing, node_id=self._node_id)
                pipeline.publish(keys.room_channel(each.room_id), payload)
            pipeline.execute()
