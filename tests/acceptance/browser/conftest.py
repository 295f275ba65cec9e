"""Chromium, and a chat to point it at. Without Chromium these tests skip, unless REQUIRE_BROWSER=1 forbids it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.browser.window import CHROMIUM_FLAGS, Window
from tests.support.chat_system import ChatSystem, healed

OUTBOX = 20  # messages that may wait to be stored: few, so that a test can fill it
VAPID_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"  # the number 1
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@pytest.fixture(scope="session")
def executable() -> str:
    """Chromium's command."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "there is no Chromium here (apt-get install chromium)"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(f"REQUIRE_BROWSER=1, but {reason}")
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def browser(executable: str) -> Iterator[Browser]:
    """A Chromium with a fresh profile. No longer than a module: Playwright keeps an event loop running."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS, timeout=90_000)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def running_chat(executable: str) -> Iterator[ChatSystem]:
    """The stack as `make run` starts it, with an outbox that is soon full and Web Push on offer."""
    with ChatSystem({"MAX_OUTBOX": str(OUTBOX), "PUSH_VAPID_KEY": VAPID_KEY}) as system:
        yield system


@pytest.fixture
def chat(running_chat: ChatSystem) -> Iterator[ChatSystem]:
    """The same, healed from what an earlier test did."""
    with healed(running_chat) as system:
        yield system


@pytest.fixture
def window(browser: Browser, chat: ChatSystem) -> Iterator[Callable[..., Window]]:
    """Open windows on the chat; each is closed with the test."""
    opened: list[Window] = []

    def open_window(url: str = chat.url, **options: Any) -> Window:
        opened.append(Window(browser, url, **options))
        return opened[-1]

    yield open_window
    for each in opened:
        each.context.close()
