"""The page in a real Chromium: edits, deletions, reactions, replies, and that a message was seen."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser.window import PATIENCE_MS, Window
from tests.support.chat_client import ChatClient
from tests.support.chat_system import WEB, ChatSystem, room_name

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
Windows = Callable[..., Window]
GONE = "This message was deleted."
FOCUSED = "() => document.activeElement.ariaLabel || document.activeElement.id || document.activeElement.className"


@pytest.fixture
def room() -> str:
    return room_name()


@pytest.fixture
def anna(window: Windows, room: str) -> Window:
    """The room's owner, as the first one in it."""
    return window().come_in("Anna", room)


@pytest.fixture
def ben(anna: Window, window: Windows, room: str) -> Window:
    return window().come_in("Ben", room)


def test_an_edit_is_in_every_window_and_stays_after_a_reload(anna: Window, ben: Window) -> None:
    ben.say("helo")
    anna.await_state("helo", "confirmed")
    ben.await_state("helo", "confirmed")
    field = ben.page.get_by_label("Message", exact=True)
    field.fill("a draft")
    ben.act("helo", "Edit")
    expect(field).to_have_value("helo")
    ben.page.keyboard.press("Escape")
    expect(field).to_have_value("a draft")
    expect(ben.page.locator("#composing")).to_be_hidden()
    ben.act("helo", "Edit")
    ben.say("hello")
    expect(field).to_have_value("a draft", timeout=PATIENCE_MS)
    for each in (anna, ben):
        each.await_state("hello", "confirmed")
        expect(each.message("hello").locator(".edited")).to_be_visible()
    anna.message("hello").hover()
    anna.message("hello").get_by_role("button", name="Actions for").click()
    expect(anna.page.get_by_role("button", name="Edit")).to_be_hidden()  # another's message
    anna.page.keyboard.press("Escape")
    ben.page.reload()
    ben.await_connected()
    ben.await_state("hello", "confirmed")
    expect(ben.message("hello").locator(".edited")).to_be_visible()
    assert anna.complaints == ben.complaints == []


def test_a_deleted_message_is_a_tombstone_after_the_question_was_answered(anna: Window, ben: Window) -> None:
    for number in range(3):
        ben.say(f"ben {number}")
        anna.await_state(f"ben {number}", "confirmed")
    ben.act("ben 0", "Delete…")
    question = ben.page.get_by_role("dialog", name="Delete this message")
    expect(question).to_contain_text("ben 0")
    ben.page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    ben.act("ben 0", "Delete…")
    question.get_by_role("button", name="Delete").click()
    anna.act("ben 1", "Delete…")  # the owner may
    anna.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for each in (anna, ben):
        expect(each.page.locator(".message .content")).to_have_text([GONE, GONE, "ben 2"], timeout=PATIENCE_MS)
        expect(each.page.get_by_role("button", name="Actions for")).to_have_count(1)
    anna.say("mine")
    ben.await_state("mine", "confirmed")
    ben.message("mine").hover()
    ben.message("mine").get_by_role("button", name="Actions for").click()
    expect(ben.page.get_by_role("button", name="Reply")).to_be_visible()
    expect(ben.page.get_by_role("button", name="Delete…")).to_be_hidden()  # a plain member
    assert anna.complaints == ben.complaints == []


def test_reactions_are_counted_and_toggled_by_click_and_by_keyboard(anna: Window, ben: Window) -> None:
    anna.say("cake?")
    ben.await_state("cake?", "confirmed")
    ben.act("cake?", "party")
    for each, mine in ((anna, "false"), (ben, "true")):
        chip = each.message("cake?").locator(".reactions .chip")
        expect(chip).to_have_text("🎉 1", timeout=PATIENCE_MS)
        expect(chip).to_have_attribute("aria-pressed", mine)
    expect(anna.message("cake?").locator(".chip")).to_have_attribute("title", "Ben")
    anna.message("cake?").locator(".chip").click()
    for each in (anna, ben):
        chip = each.message("cake?").locator(".reactions .chip")
        expect(chip).to_have_text("🎉 2", timeout=PATIENCE_MS)
        expect(chip).to_have_attribute("aria-pressed", "true")
    chip.focus()
    ben.page.keyboard.press("Enter")
    expect(chip).to_have_text("🎉 1", timeout=PATIENCE_MS)
    expect(chip).to_be_focused()  # though it was painted anew
    assert anna.complaints == ben.complaints == []


def test_a_reply_quotes_its_message_and_leads_to_it(anna: Window, ben: Window) -> None:
    anna.say("where is the ladder?")
    for number in range(12):
        anna.say(f"line {number}\n" * 3)
    ben.await_state("where is the ladder?", "confirmed")
    ben.act("where is the ladder?", "Reply")
    expect(ben.page.locator("#composing-text")).to_have_text("Replying to Anna: where is the ladder?")
    ben.say("in the boathouse")
    expect(ben.page.locator("#composing")).to_be_hidden()
    anna.await_state("in the boathouse", "confirmed")
    quote = anna.message("in the boathouse").locator(".quote")
    expect(quote).to_have_text("You where is the ladder?")
    quote.click()
    expect(anna.message("where is the ladder?")).to_be_focused()
    expect(anna.message("where is the ladder?")).to_be_in_viewport()
    anna.act("where is the ladder?", "Edit")
    anna.say("where are the oars?")
    expect(quote).to_have_text("You where are the oars?", timeout=PATIENCE_MS)
    assert anna.complaints == ben.complaints == []


def test_all_of_it_goes_by_keyboard_alone(anna: Window, ben: Window) -> None:
    keys = anna.page.keyboard
    for text in ("first", "second"):
        anna.say(text)
        anna.await_state(text, "confirmed")
    keys.press("ArrowUp")  # in the empty field: the newest of one's own
    expect(anna.page.get_by_label("Message", exact=True)).to_have_value("second")
    keys.type("!")
    keys.press("Enter")
    ben.await_state("second!", "confirmed")
    keys.press("Shift+Tab")
    assert anna.page.evaluate(FOCUSED) == "Actions for your message"
    keys.press("ArrowUp")
    keys.press("Enter")
    assert anna.page.evaluate(FOCUSED) == "thumbs up"
    keys.press("ArrowRight")
    keys.press("Enter")
    expect(ben.message("first").locator(".chip")).to_have_text("❤️ 1", timeout=PATIENCE_MS)
    expect(anna.message("first").locator(".chip")).to_have_text("❤️ 1", timeout=PATIENCE_MS)
    expect(anna.message("first").get_by_role("button", name="Actions for")).to_be_focused()
    keys.press("ArrowRight")
    assert anna.page.evaluate(FOCUSED) == "❤️ 1: you"
    keys.press("Space")
    expect(ben.message("first").locator(".chip")).to_have_count(0, timeout=PATIENCE_MS)
    expect(anna.message("first").locator(".chip")).to_have_count(0, timeout=PATIENCE_MS)
    keys.press("Enter")
    keys.press("ArrowUp")  # around, to the last one
    keys.press("Enter")
    assert anna.page.evaluate(FOCUSED) == "delete-cancel"
    keys.press("Tab")
    keys.press("Enter")
    expect(ben.page.locator(".content")).to_have_text([GONE, "second!"], timeout=PATIENCE_MS)
    expect(anna.page.locator(".content")).to_have_text([GONE, "second!"], timeout=PATIENCE_MS)
    keys.press("ArrowDown")
    expect(anna.message("second!").get_by_role("button", name="Actions for")).to_be_focused()
    assert anna.complaints == ben.complaints == []


def test_one_sees_that_the_newest_message_was_seen_also_after_a_reload(
    anna: Window, ben: Window, window: Windows, room: str
) -> None:
    anna.say("one")
    anna.say("two")
    ben.await_state("two", "confirmed")
    seen = anna.page.locator(".seen")
    expect(seen).to_have_text(["Seen"], timeout=PATIENCE_MS)
    expect(anna.message("two").locator(".seen")).to_have_attribute("title", "Ben")
    anna.page.reload()
    anna.await_connected()
    expect(anna.message("two").locator(".seen")).to_have_text("Seen", timeout=PATIENCE_MS)
    window().come_in("Cleo", room)
    expect(anna.message("two").locator(".seen")).to_have_text("Seen by 2", timeout=PATIENCE_MS)
    expect(ben.page.locator(".seen")).to_have_count(0)
    assert anna.complaints == ben.complaints == []


def test_what_was_amended_while_the_server_was_away_is_there_once_afterwards(
    chat: ChatSystem, anna: Window, ben: Window, room: str
) -> None:
    for text in ("to edit", "to delete", "to like"):
        anna.say(text)
        ben.await_state(text, "confirmed")
    chat.kill(WEB)
    for each in (anna, ben):
        each.await_status("Connection lost, trying again")
    anna.act("to edit", "Edit")
    anna.say("edited")  # refused: there is no connection
    expect(anna.page.locator("#notice")).to_contain_text("There is no connection")
    expect(anna.page.locator("#composing")).to_be_visible()
    chat.await_ready()
    with ChatClient(chat.ws_url, chat.token("cleo")) as cleo:  # most likely here before the windows are
        cleo.join(room)
        for each in cleo.ask("get-messages", {"roomId": room})["messages"]:
            if each["content"] == "to like":
                cleo.ask("react-chat-message", {"messageId": each["id"], "emoji": "🎉"})
    for window_ in (anna, ben):
        window_.await_connected()
    anna.page.get_by_label("Message", exact=True).press("Enter")
    expect(anna.page.locator("#composing")).to_be_hidden(timeout=PATIENCE_MS)
    anna.act("to delete", "Delete…")
    anna.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for each in (anna, ben):
        expect(each.page.locator(".content")).to_have_text(["edited", GONE, "to like"], timeout=PATIENCE_MS)
        expect(each.message("to like").locator(".chip")).to_have_text("🎉 1", timeout=PATIENCE_MS)
        each.await_people(re.compile("^3 online|^2 online"))
        assert each.worries(of_a_lost_server=False) == []


def test_a_deleted_message_is_not_unread(chat: ChatSystem, window: Windows) -> None:
    here, there = room_name(), room_name()
    anna = window().come_in("Anna", there)
    with ChatClient(chat.ws_url, chat.token("ben")) as ben:
        ben.join(there)
        anna.page.goto(f"{chat.url}/#/{here}")
        anna.await_room(here)
        sent = [ben.say(there, text) for text in ("one", "two")]
        badge = anna.page.locator("#room-list a", has_text=there).locator(".badge")
        expect(badge).to_have_text("2", timeout=PATIENCE_MS)
        ben.ask("delete-chat-message", {"messageId": sent[0]["id"]})
        expect(badge).to_have_text("1", timeout=PATIENCE_MS)
    assert anna.complaints == []


def test_the_sheet_stays_on_a_small_screen(window: Windows, room: str) -> None:
    phone = window(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True).come_in("Anna", room)
    phone.say("hello")
    phone.await_state("hello", "confirmed")
    phone.message("hello").get_by_role("button", name="Actions for").tap()
    box = phone.page.get_by_role("dialog", name="Message actions").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 360
    assert box["y"] + box["height"] <= 640
    phone.page.get_by_role("button", name="thumbs up").tap()
    expect(phone.message("hello").locator(".chip")).to_have_text("👍 1", timeout=PATIENCE_MS)
    assert not phone.page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert phone.complaints == []
