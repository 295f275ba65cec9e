"""`chat.broker.store_fault` on a real server."""

from __future__ import annotations

import redis

from chat.broker import keys
from chat.broker.store_fault import TOLD_S, StoreFault


def test_a_fault_is_told_until_nobody_notes_it_any_more(client: redis.Redis) -> None:
    fault = StoreFault(client)
    assert fault.told() == ""

    fault.note("a collection is missing")
    fault.note("the bucket »chat« is missing")

    assert fault.told() == "the bucket »chat« is missing"
    assert 0 < client.pttl(keys.STORE_FAULT) <= TOLD_S * 1000
