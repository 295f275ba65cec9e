"""One whole running system for the tests that hurt it; each leaves it healed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chat_system import ChatSystem, room_name

SETTINGS = {"MAX_MESSAGES_PER_S": "0", "DRAIN_BATCH": "100", "RECLAIM_IDLE_S": "2"}


@pytest.fixture(scope="session")
def running_system() -> Iterator[ChatSystem]:
    """The stack as `make run` starts it, for heavy senders."""
    with ChatSystem(SETTINGS) as system:
        yield system


@pytest.fixture
def system(running_system: ChatSystem) -> Iterator[ChatSystem]:
    """The same, healed from what an earlier test did."""
    running_system.await_ready()
    running_system.await_workers()
    yield running_system
    running_system.close_clients()


@pytest.fixture
def busy_room() -> str:
    """A room that nobody else uses."""
    return room_name()
