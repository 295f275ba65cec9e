"""The page in a real Chromium: who is typing, how much is unread where one does not look, and what was seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser.window import PATIENCE_MS, Window
from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatSystem, room_name

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def test_somebody_is_shown_typing_until_the_message_is_there(window: Callable[..., Window]) -> None:
    room = room_name()
    anna, ben = window().come_in("Anna", room), window().come_in("Ben", room)
    line = ben.page.locator("#typing")
    anna.page.get_by_label("Message", exact=True).press_sequentially("hel", delay=30)
    expect(line).to_have_text("Anna is typing…", timeout=PATIENCE_MS)
    expect(anna.page.locator("#typing")).to_have_text("")
    anna.page.keyboard.press("Enter")
    ben.await_state("hel", "confirmed")
    expect(line).to_have_text("", timeout=PATIENCE_MS)
    anna.page.keyboard.type("x")
    expect(line).to_have_text("Anna is typing…", timeout=PATIENCE_MS)
    anna.page.keyboard.press("Backspace")
    expect(line).to_have_text("", timeout=2_000)  # sooner than by itself
    assert anna.complaints == ben.complaints == []


def test_unread_is_counted_where_one_does_not_look_and_seen_where_one_does(
    chat: ChatSystem, window: Callable[..., Window]
) -> None:
    here, there = room_name(), room_name()
    anna = window().come_in("Anna", there)
    with ChatClient(chat.ws_url, chat.token("ben")) as ben:
        ben.join(there)
        ben.say(there, "in sight")
        ben.until(lambda: [each["upToSeq"] for each in ben.of("messages-seen")] == [1], 30)
        anna.page.goto(f"{chat.url}/#/{here}")
        anna.await_room(here)
        ben.say(there, "one")
        ben.say(there, "two")
        link = anna.page.locator("#room-list a", has_text=there)
        badge = link.locator(".badge")
        expect(badge).to_have_text("2", timeout=PATIENCE_MS)
        expect(badge).to_have_attribute("aria-label", "2 unread")
        anna.page.reload()
        anna.await_connected()
        expect(badge).to_have_text("2", timeout=PATIENCE_MS)  # as the server counts
        assert [each["upToSeq"] for each in ben.of("messages-seen")] == [1]
        link.click()
        anna.await_room(there)
        ben.until(lambda: ben.of("messages-seen")[-1]["upToSeq"] == 3, 30)
        expect(badge).to_have_count(0, timeout=PATIENCE_MS)
    assert anna.complaints == []


def test_rooms_one_was_added_to_while_away_are_there_and_left_ones_are_not(
    chat: ChatSystem, window: Callable[..., Window]
) -> None:
    here, invited = room_name(), room_name()
    anna = window().come_in("Anna", here)
    user_id = anna.page.locator("#my-id").inner_text()
    anna.page.goto("about:blank")
    body = {"id": invited, "type": "group", "name": "The attic", "members": [user_id]}
    assert chat.post("/api/v1/rooms", body, chat.token("ben")).status_code == 201
    anna.page.goto(chat.url)
    rooms = anna.page.locator("#room-list .name")
    expect(rooms).to_have_text([here, "The attic"], timeout=PATIENCE_MS)
    rooms.nth(0).click()
    anna.await_room(here)
    anna.page.get_by_role("button", name="Leave").click()
    expect(rooms).to_have_text(["The attic"])
    anna.page.reload()
    anna.await_connected()
    rooms.nth(0).click()
    anna.await_room("The attic")
    expect(rooms).to_have_text(["The attic"])
    assert anna.complaints == []
