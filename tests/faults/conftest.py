"""One whole running system for the tests that hurt it; each leaves it healed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chat_system import FOR_CROWDS, ChatSystem, healed, room_name


@pytest.fixture(scope="session")
def running_system() -> Iterator[ChatSystem]:
    """The stack as `make run` starts it, for heavy senders."""
    with ChatSystem(FOR_CROWDS) as system:
        yield system


@pytest.fixture
def system(running_system: ChatSystem) -> Iterator[ChatSystem]:
    """The same, healed from what an earlier test did."""
    with healed(running_system) as system:
        yield system


@pytest.fixture
def busy_room() -> str:
    """A room that nobody else uses."""
    return room_name()
