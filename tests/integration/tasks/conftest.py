"""A room between a real Valkey and a real SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.drainage import Drainage


@pytest.fixture
def room(redis_url: str, tmp_path: Path) -> Iterator[Drainage]:
    """One room, nothing accepted yet."""
    with redis.Redis.from_url(redis_url) as client:
        drainage = Drainage(client, tmp_path)
        yield drainage
        drainage.close()
