"""Rooms with news that somebody absent may have to be told of: noted with their confirmation, looked at later."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.base import Confirmation
from chat.broker.client import translated
from chat.model.clock import now_ms
from chat.model.push import Look

WAKE_MS = 5000  # beyond the grace: a lost wake-up delays the next by no more
HELD_MS = 60_000  # a look takes no longer, or its worker is dead
log = logging.getLogger(__name__)
_KEYS = [keys.PUSH_NEWS, keys.PUSH_FROM, keys.PUSH_UPTO, keys.PUSH_AGAIN, keys.PUSH_SPANS, keys.PUSH_LOOKS]


class NewsOfBatches:
    """Notes what a drain confirms, in the round trip that confirms it and before it: a crash only repeats it.

    `is_wake_needed` tells, once, that nobody has sent a wake-up for what was noted.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_ms = int(grace_s * 1000)
        self._is_wake_needed = False

    def add_to(self, pipeline: Any, confirmations: Collection[Confirmation]) -> int:
        """Put the commands for a batch into a pipeline; return how many they are."""
        lowest: dict[str, int] = {}
        highest: dict[str, int] = {}
        for each in confirmations:
            room_id, seq = each.message.room_id, each.message.seq
            lowest[room_id] = min(lowest.get(room_id, seq), seq)
            highest[room_id] = max(highest.get(room_id, seq), seq)
        due = now_ms() + self._grace_ms
        pipeline.zadd(keys.PUSH_FROM, lowest, lt=True)
        pipeline.zadd(keys.PUSH_UPTO, highest, gt=True)
        pipeline.zadd(keys.PUSH_NEWS, dict.fromkeys(lowest, due), nx=True)
        token = f"wake-{secrets.token_hex(8)}"
        pipeline.set(keys.PUSH_LEASE, token, nx=True, px=self._grace_ms + WAKE_MS)
        return 4

    def added(self, replies: Sequence[Any]) -> None:
        """Take the answers to them; one that failed (a full Redis) harms no message."""
        if faults := [reply for reply in replies if isinstance(reply, Exception)]:
            log.warning("push-news-not-noted", extra={"error": str(faults[0]), "action": "go on"})
        self._is_wake_needed = self._is_wake_needed or replies[-1] is True

    def is_wake_needed(self) -> bool:
        """Return whether a wake-up has to be sent, and that it is the caller who sends it."""
        is_needed, self._is_wake_needed = self._is_wake_needed, False
        return is_needed


class PushNews:
    """The looks that are due."""

    def __init__(self, client: redis.Redis, *, again_s: float, held_ms: int = HELD_MS) -> None:
        self._client = client
        self._again_ms = int(again_s * 1000)
        self._held_ms = held_ms
        self._claim = client.register_script(scripts.load("claim_news").source)
        self._finish = client.register_script(scripts.load("finish_news").source)

    def claim(self, limit: int) -> list[Look]:
        """Take looks whose time has come; one that is not finished is given again."""
        with translated("claim news"):
            reply: Any = self._claim(_KEYS, [now_ms(), self._held_ms, limit, self._again_ms])
        return [_look(text.decode()) for text in reply[1:]]

    def finish(self, looks: Collection[Look]) -> None:
        """Be done with looks; the first of a room is followed by a second."""
        with translated("finish news"):
            pipeline = self._client.pipeline(transaction=False)
            for each in looks:
                args: list[Any] = [_text(each), *each, now_ms(), self._again_ms]
                self._finish([keys.PUSH_AGAIN, keys.PUSH_SPANS, keys.PUSH_LOOKS], args, client=pipeline)
            pipeline.execute()

    def next_due(self) -> float | None:
        """Return in how many seconds the next look is due, at most 0 for now, None when none is waited for."""
        with translated("look for news"):
            pipeline = self._client.pipeline(transaction=False)
            for name in (keys.PUSH_NEWS, keys.PUSH_AGAIN, keys.PUSH_LOOKS):
                pipeline.zrange(name, 0, 0, withscores=True)
            replies = pipeline.execute()
        dues = [row[1] for reply in replies for row in reply]
        return (min(dues) - now_ms()) / 1000 if dues else None

    def note(self, rooms: Mapping[str, tuple[int, int]], due_ms: int) -> None:
        """Have rooms looked at, each from one number up to another."""
        with translated("note news"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.zadd(keys.PUSH_FROM, {room_id: low for room_id, (low, _) in rooms.items()}, lt=True)
            pipeline.zadd(keys.PUSH_UPTO, {room_id: high for room_id, (_, high) in rooms.items()}, gt=True)
            pipeline.zadd(keys.PUSH_NEWS, dict.fromkeys(rooms, due_ms), nx=True)
            pipeline.execute()


def _text(look: Look) -> str:
    return " ".join(map(str, look))


def _look(text: str) -> Look:
    room_id, *numbers = text.split(" ")
    return Look(room_id, *map(int, numbers))
