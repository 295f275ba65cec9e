"""A dispatcher for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.store.sqlite import SqliteStore
from tests.support.counter import Counter
from tests.support.local_server import serving


@pytest.fixture
def counter(tmp_path) -> Iterator[Counter]:
    store = SqliteStore(tmp_path / "chat.db")
    with serving() as server:
        yield Counter(server, store)
    store.close()
