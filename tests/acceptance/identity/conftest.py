"""Servers in `jwt` mode, and a user of this test alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.chat_system import LoneServer
from tests.support.identities import JWT
from tests.support.valkey import ValkeyProcess


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyProcess]:
    with ValkeyProcess() as running:
        yield running


@pytest.fixture(scope="module")
def pair(valkey: ValkeyProcess) -> Iterator[list[LoneServer]]:
    """Two servers of one system."""
    with LoneServer(valkey.url, JWT) as one, LoneServer(valkey.url, JWT) as two:
        yield [one, two]


@pytest.fixture
def servers(pair: list[LoneServer]) -> Iterator[list[LoneServer]]:
    yield pair
    for each in pair:
        each.close_clients()


@pytest.fixture
def server(servers: list[LoneServer]) -> LoneServer:
    return servers[0]


@pytest.fixture
def user_id() -> str:
    """Somebody whom no other test revokes."""
    return f"user-{time.time_ns()}"
