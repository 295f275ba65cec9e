"""Fixtures that every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from hypothesis import settings

from tests.support.valkey import ValkeyProcess

# How long an example takes says how busy the machine is, nothing about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of one real server for the whole session; its data is whatever earlier tests left."""
    with ValkeyProcess() as server:
        yield server.url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """The address of the same server, emptied: data, functions, scripts and other clients' subscriptions."""
    with redis.Redis.from_url(valkey_url) as client:
        client.client_kill_filter(skipme=True)
        client.flushall()
        client.script_flush()
    return valkey_url
