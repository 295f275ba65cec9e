"""Who has devices at all, and which devices were not registered for long, so that the store is rarely asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.model.clock import ms_of
from chat.model.device import Device

DAY_S = 86_400
AT_ONCE = 1000  # keys of one MGET


class PushDevices:
    """`chat:push:has:{user}` and `chat:push:devices`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def registered(self, device: Device) -> None:
        """Know from now on that the user has a device; called behind the write of it.

        A reading of the store from before that write can't undo it: `keep` fills only what is empty.
        """
        with translated("note a device"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(keys.push_has(device.user_id), "1", ex=DAY_S)
            pipeline.zadd(keys.PUSH_DEVICES, {device.id: ms_of(device.refreshed_at)})
            pipeline.execute()

    def has(self, user_ids: Sequence[str]) -> dict[str, bool | None]:
        """Return whether users have devices, None where that is not known; one round trip."""
        with translated("read who has devices"):
            pipeline = self._client.pipeline(transaction=False)
            for some in _batches(user_ids):
                pipeline.mget([keys.push_has(user_id) for user_id in some])
            found = [answer for reply in pipeline.execute() for answer in reply]
        return {
            user_id: None if answer is None else answer == b"1"
            for user_id, answer in zip(user_ids, found, strict=True)
        }

    def keep(self, known: Mapping[str, bool]) -> None:
        """Remember what the store said of users, unless more is known by now."""
        with translated("keep who has devices"):
            pipeline = self._client.pipeline(transaction=False)
            for user_id, has_devices in known.items():
                pipeline.set(keys.push_has(user_id), str(int(has_devices)), ex=DAY_S, nx=True)
            pipeline.execute()

    def stale(self, before_ms: int, limit: int) -> list[str]:
        """Return devices that were registered last before that time."""
        with translated("read stale devices"):
            found: Any = self._client.zrangebyscore(keys.PUSH_DEVICES, "-inf", before_ms, start=0, num=limit)
        return [device_id.decode() for device_id in found]

    def forget(self, device_ids: Sequence[str], before_ms: int) -> None:
        """Forget devices, but those that were registered since; one that slips through costs its document alone."""
        with translated("forget devices"):
            scores: Any = self._client.zmscore(keys.PUSH_DEVICES, list(device_ids))
            old = [each for each, at in zip(device_ids, scores, strict=True) if at is not None and at < before_ms]
            if old:
                self._client.zrem(keys.PUSH_DEVICES, *old)


def _batches(user_ids: Sequence[str]) -> list[Sequence[str]]:
    return [user_ids[start : start + AT_ONCE] for start in range(0, len(user_ids), AT_ONCE)]
