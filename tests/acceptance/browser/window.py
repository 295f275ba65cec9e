"""A browser window with one person in it, who reads, writes and presses keys."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Browser, Locator, expect

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000  # the machine may be busy
# What Chromium itself says of a server that is not there.
OF_A_LOST_SERVER = re.compile(r"WebSocket connection to .* failed|net::ERR_|WebSocket is closed before")
TELL_VIOLATIONS = """
  document.addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) =>
    console.error(`CSP: ${violatedDirective} ${blockedURI}`));
"""
SEEN = """
  [...document.querySelectorAll("#messages .message")].map((each) => ({
    text: each.querySelector(".content").textContent,
    state: each.dataset.state,
    isMine: each.classList.contains("mine"),
  }))
"""


class Window:
    """One window with a profile of its own. `complaints` is what its console was told to worry about."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(TELL_VIOLATIONS)
        self.page = self.context.new_page()
        self.url = url
        self.complaints: list[str] = []
        self.page.on("console", lambda told: self._note(told.type, told.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def come_in(self, name: str, room: str) -> Window:
        """Open the page of a room, and sign in under a name."""
        self.page.goto(f"{self.url}/#/{room}")
        self.page.get_by_label("Your name").fill(name)
        self.page.keyboard.press("Enter")
        self.await_connected()
        self.await_room(room)
        return self

    def await_room(self, room: str) -> None:
        """Wait until this room is open, and all of it that is to be shown has been read."""
        expect(self.page.get_by_role("heading", name=room)).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.locator("#people-summary")).not_to_have_text("Opening the room…", timeout=PATIENCE_MS)

    def await_people(self, text: str | re.Pattern[str]) -> None:
        """Wait until the line under the room's name says who is online."""
        expect(self.page.locator("#people-summary")).to_have_text(text, timeout=PATIENCE_MS)

    def await_connected(self) -> None:
        """Wait until it says that it is connected."""
        self.await_status("Connected")

    def await_status(self, text: str) -> None:
        """Wait until the status line says this."""
        expect(self.page.locator("#status-text")).to_have_text(text, timeout=PATIENCE_MS)

    def say(self, text: str) -> None:
        """Write a message and press Enter."""
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def message(self, text: str) -> Locator:
        """Return the one message with exactly this text."""
        exactly = self.page.locator(".content").get_by_text(text, exact=True)
        return self.page.locator(".message").filter(has=exactly)

    def act(self, text: str, name: str) -> None:
        """Open the sheet of the message with this text and press one of its buttons."""
        self.message(text).hover()
        self.message(text).get_by_role("button", name="Actions for").click()
        self.page.get_by_role("dialog", name="Message actions").get_by_role("button", name=name).click()

    def await_state(self, text: str, state: str) -> None:
        """Wait until the message with this text is there, once, in this state."""
        expect(self.message(text)).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    @property
    def seen(self) -> list[dict[str, Any]]:
        """All messages as they are shown, from top to bottom."""
        found: list[dict[str, Any]] = self.page.evaluate(SEEN)
        return found

    @property
    def texts(self) -> list[str]:
        """The texts of the messages, from top to bottom."""
        return [each["text"] for each in self.seen]

    def worries(self, *, of_a_lost_server: bool = True) -> list[str]:
        """Return the complaints, on demand without those that a lost server explains."""
        return [each for each in self.complaints if of_a_lost_server or not OF_A_LOST_SERVER.search(each)]

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")
