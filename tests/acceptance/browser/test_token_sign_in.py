"""In jwt mode the page asks for a token, and keeps it where it is gone with the window."""

from __future__ import annotations

import time
from collections.abc import Iterator

import jwt
import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.browser.window import PATIENCE_MS, Window
from tests.support.chat_system import LoneServer, room_name
from tests.support.wait import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SECRET = "a secret that only this test has, and long enough"


@pytest.fixture
def server(browser: Browser, redis_url: str) -> Iterator[LoneServer]:
    with LoneServer(redis_url, {"AUTH_MODE": "jwt", "AUTH_SECRET": SECRET}) as lone:
        yield lone


@pytest.fixture
def page(browser: Browser, server: LoneServer) -> Iterator[Window]:
    window = Window(browser, server.url)
    window.page.goto(server.url)
    yield window
    window.context.close()


def token_of(secret: str) -> str:
    return jwt.encode({"sub": "anna", "name": "Anna", "exp": int(time.time()) + 600}, secret, algorithm="HS256")


def test_the_token_is_nowhere_but_in_the_window_when_somebody_signs_in_with_it(page: Window) -> None:
    token, addresses = token_of(SECRET), []
    page.page.on("request", lambda request: addresses.append(request.url))
    page.page.on("websocket", lambda socket: addresses.append(socket.url))
    page.page.get_by_label("Your token").fill(token)
    page.page.keyboard.press("Enter")
    page.await_connected()

    assert page.page.locator("#my-name").inner_text() == "Anna"
    assert any(each.startswith("ws:") for each in addresses)
    assert not [each for each in [*addresses, page.page.url] if token in each]
    assert token not in page.page.evaluate("() => JSON.stringify({...localStorage}) + document.cookie")
    assert page.page.evaluate("() => JSON.stringify({...sessionStorage})").count(token) == 1
    page.page.reload()
    page.await_connected()
    page.page.get_by_role("button", name="Sign out").click()
    assert token not in page.page.evaluate("() => JSON.stringify({...sessionStorage})")
    assert page.complaints == []


def test_another_token_is_asked_for_when_one_is_refused(page: Window) -> None:
    field, error = page.page.get_by_label("Your token"), page.page.locator("#sign-in-error")
    field.fill("nonsense")
    page.page.keyboard.press("Enter")
    expect(error).to_contain_text("This is no token")
    field.fill(token_of("somebody else's secret, which is long too"))
    page.page.keyboard.press("Enter")
    expect(error).to_contain_text("the token is refused", timeout=PATIENCE_MS)
    assert field.is_visible()
    field.fill(token_of(SECRET))
    page.page.keyboard.press("Enter")
    page.await_connected()


def test_a_message_is_shown_as_sent_when_nobody_stores_it_yet(page: Window, server: LoneServer) -> None:
    """No worker runs beside this server: the room sees the message, and nobody is told that it is safe."""
    room = room_name()
    headers = {"Authorization": f"Bearer {token_of(SECRET)}"}
    page.page.request.post(f"{server.url}/api/v1/rooms", headers=headers, data={"id": room, "type": "channel"})
    page.page.get_by_label("Your token").fill(token_of(SECRET))
    page.page.keyboard.press("Enter")
    page.page.get_by_label("Join a room").fill(room)
    page.page.keyboard.press("Enter")
    page.say("hello")
    page.await_state("hello", "pending")
    eventually(lambda: page.message("hello").locator(".state").inner_text() == "Sent")
