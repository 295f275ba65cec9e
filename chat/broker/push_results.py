"""What became of the last push to each device, for its owner and for admins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.model.push import LastResult

TTL_S = 30 * 86_400


_result = msgspec.json.Decoder(LastResult)


class PushResults:
    """`chat:push:result:{device}`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def write(self, results: Mapping[str, LastResult]) -> None:
        """Remember results by device, in one round trip."""
        with translated("write push results"):
            pipeline = self._client.pipeline(transaction=False)
            for device_id, result in results.items():
                pipeline.set(keys.push_result(device_id), msgspec.json.encode(result), ex=TTL_S)
            pipeline.execute()

    def read(self, device_ids: Sequence[str]) -> dict[str, LastResult]:
        """Return the results of those devices that have one."""
        if not device_ids:
            return {}
        with translated("read push results"):
            found: Any = self._client.mget([keys.push_result(each) for each in device_ids])
        told = zip(device_ids, found, strict=True)
        return {device_id: _result.decode(body) for device_id, body in told if body is not None}
