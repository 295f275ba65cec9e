"""The document stores that the contract runs on: a new adapter is one more line in `ADAPTERS`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chat.store.base import Store
from chat.store.offloaded import OffloadedStore
from chat.store.sqlite import SqliteStore
from chat.store.url import open_store

OUTAGE_TIMEOUT_S = 0.05


@dataclass(frozen=True, slots=True)
class Adapter:
    """An empty document store: how to reach it, and how to take it away for a while."""

    url: str  # for other processes
    open: Callable[[], Store]
    open_hasty: Callable[[], Store]  # gives up within a fraction of a second
    outage: Callable[[], AbstractContextManager[None]]  # no write comes through inside


def sqlite_adapter(folder: Path) -> Adapter:
    path = folder / "chat.db"
    url = f"sqlite:///{path}"

    @contextmanager
    def outage() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield

    return Adapter(
        url=url,
        open=lambda: open_store(url),
        open_hasty=lambda: SqliteStore(path, busy_timeout_s=OUTAGE_TIMEOUT_S),
        outage=outage,
    )


def offloaded_adapter(folder: Path) -> Adapter:
    inner = sqlite_adapter(folder)
    return Adapter(
        url=inner.url,
        open=lambda: OffloadedStore(inner.open()),
        open_hasty=lambda: OffloadedStore(inner.open_hasty()),
        outage=inner.outage,
    )


ADAPTERS = {
    "sqlite": sqlite_adapter,
    "sqlite_offloaded": offloaded_adapter,
}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    return ADAPTERS[request.param](tmp_path)


@pytest.fixture
def store(adapter: Adapter) -> Iterator[Store]:
    with closing(adapter.open()) as store:
        yield store
