"""A user who floods several servers at once gets from all of them what one alone would let through."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.chat_client import ChatClient
from tests.support.chat_system import LoneServer, paced
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

PER_S, BURST = 20, 40  # the defaults
AHEAD = 10  # what each server may let through unasked: five, and five more while the first are being told
ROUNDS, A_ROUND, PACE_S = 14, 60, 0.35  # of each of two connections: more than ten times what is let through


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[LoneServer]]:
    shared = {"AUTH_MODE": "dev", "AUTH_SECRET": "s" * 32}
    path = tmp_path / "chat.db"
    with (
        ValkeyProcess() as valkey,
        LoneServer(valkey.url, shared, path) as here,
        LoneServer(valkey.url, shared, path) as there,
        redis.Redis.from_url(valkey.url) as store,
    ):
        is_shared_by(store, [here, there])
        yield [here, there]


def is_shared_by(store: redis.Redis, servers: list[LoneServer]) -> None:
    """Return once each of the servers has noticed the other one: it tells what it has spent then."""
    for number, server in enumerate(servers):
        user_id = f"first-{number}"
        client = server.client(server.token(user_id))

        def is_told(client: ChatClient = client, user_id: str = user_id) -> bool:
            client.say(f"of-{user_id}", "is anybody else here?")
            return bool(store.exists(f"chat:rate:{user_id}"))

        eventually(is_told, timeout_s=30, every_s=0.25)


def test_a_flood_through_two_servers_is_limited_as_one_through_one(servers: list[LoneServer], room: str) -> None:
    token = servers[0].token("ann")
    devices = [each.client(token) for each in servers]
    for each in devices:
        each.join(room)
    acks = itertools.count()
    began_at = time.monotonic()
    for _ in paced(ROUNDS, PACE_S):
        for each in devices:
            for _ in range(A_ROUND):
                each.send("send-chat-message", {"roomId": room, "content": "again"}, next(acks))
    for each in devices:
        each.ask("heartbeat")  # what came before is answered
    took_s = time.monotonic() - began_at
    answers = [told for each in devices for told in each.of("ack") if isinstance(told["ack"], int)]
    taken = sum(told["ok"] for told in answers)
    print(f"\n{taken} of {len(answers)} messages were taken in {took_s:.1f} s")
    assert len(answers) == 2 * ROUNDS * A_ROUND
    assert BURST <= taken <= BURST + PER_S * took_s + 2 * AHEAD
    assert {told["error"]["code"] for told in answers if not told["ok"]} == {"rate-limited"}
    assert all(told["error"]["retryAfter"] > 0 for told in answers if not told["ok"])
