"""One running system for all tests that do not disturb it; they use rooms of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chat_system import ChatSystem, room_name

FRIEND = "https://friend.example"


@pytest.fixture(scope="session")
def running() -> Iterator[ChatSystem]:
    """The stack as `make run` starts it, ready."""
    with ChatSystem({"ALLOWED_ORIGINS": FRIEND}) as system:
        system.refuse_poison()
        yield system


@pytest.fixture
def system(running: ChatSystem) -> Iterator[ChatSystem]:
    """The same, without clients of earlier tests."""
    yield running
    running.close_clients()


@pytest.fixture
def room() -> str:
    """A room that nobody else uses."""
    return room_name()
