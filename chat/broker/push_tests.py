"""Test pushes: a server asks, a worker sends one to each device of a user and answers with what became of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.errors import NoAnswer

WAIT_S = 20.0  # a provider's call takes up to 15
TURN_S = 1.0  # one blocking read, under the socket's timeout
ANSWER_TTL_S = 60


class TestResult(msgspec.Struct, frozen=True):
    """What one device's provider answered."""

    __test__ = False  # to pytest its name looks like a test's

    id: str
    kind: str
    result: str
    reason: str | None = None


_results = msgspec.json.Decoder(list[TestResult])


class PushTests:
    """`send(user, token)` sends the task that pushes and calls `answer`."""

    def __init__(
        self,
        client: redis.Redis,
        send: Callable[[str, str], object],
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        self._client = client
        self._send = send
        self._wait_s = wait_s

    def run(self, user_id: str) -> list[TestResult]:
        """Push to each device of a user and return what became of it.

        Raises: NoAnswer when no worker answered in time, BrokerUnavailable.
        """
        token = secrets.token_hex(12)
        deadline = time.monotonic() + self._wait_s
        self._send(user_id, token)
        while time.monotonic() < deadline:
            with translated("wait for a test push"):
                found: Any = self._client.blpop([keys.push_test(token)], timeout=TURN_S)
            if found is not None:
                return _results.decode(found[1])
        raise NoAnswer("no worker has sent the test pushes in time; they may still come")


def answer(client: redis.Redis, token: str, results: Sequence[TestResult]) -> None:
    """Tell whoever waits under this token."""
    with translated("answer a test push"):
        pipeline = client.pipeline(transaction=False)
        pipeline.rpush(keys.push_test(token), msgspec.json.encode(list(results)))
        pipeline.expire(keys.push_test(token), ANSWER_TTL_S)
        pipeline.execute()
