"""Fixtures for tests against a real Redis: a client, a warm room and a listener."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.support.rooms import Ears, Room


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the emptied server."""
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        yield client


@pytest.fixture
def room(client: redis.Redis) -> Room:
    """A room whose numbering has started at 0."""
    return Room(client).warm()


@pytest.fixture
def ears(client: redis.Redis) -> Iterator[Ears]:
    """A listener on all channels."""
    ears = Ears(client)
    yield ears
    ears.close()
