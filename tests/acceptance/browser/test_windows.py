"""The page in a real Chromium: people talk, lose their server, fail and try again, read back, use the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import expect

from tests.acceptance.browser.conftest import OUTBOX
from tests.acceptance.browser.window import PATIENCE_MS, Window
from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import WEB, ChatServer, ChatSystem, room_name
from tests.support.wait import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
WAIT_S = 30
FOCUSED = (
    "() => { const e = document.activeElement; return e.id || (e === document.body ? 'BODY' : e.textContent); }"
)
MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script>&amp;'


@pytest.fixture
def room() -> str:
    return room_name()


def fill(chat: ChatServer, room: str, count: int) -> None:
    """Write `count` messages, in portions that the outbox takes."""
    for first in range(1, count + 1, OUTBOX // 2):
        with ChatClient(chat.ws_url) as client:
            for number in range(first, first + OUTBOX // 2):
                client.shout(room, f"message {number}")
            client.until(lambda client=client: len(client.confirmed()) == OUTBOX // 2, WAIT_S)  # type: ignore[misc]


def test_both_see_the_same_order_when_two_people_chat_in_two_windows(
    window: Callable[..., Window], room: str
) -> None:
    anna, ben = window().come_in("Anna", room), window().come_in("Ben", room)
    for number in range(5):
        anna.say(f"anna {number}")
        ben.say(f"ben {number}")

    expected = {f"{name} {number}" for name in ("anna", "ben") for number in range(5)}
    for each in (anna, ben):
        eventually(lambda each=each: len(each.texts) == 10, WAIT_S)  # type: ignore[misc]
        eventually(lambda each=each: {m["state"] for m in each.seen} == {"confirmed"}, WAIT_S)  # type: ignore[misc]
        assert set(each.texts) == expected
    assert anna.texts == ben.texts
    for each, name in ((anna, "anna"), (ben, "ben")):
        assert [m["text"] for m in each.seen if m["isMine"]] == [f"{name} {number}" for number in range(5)]
    assert anna.message("anna 0").locator(".state").inner_text() == "Confirmed"
    anna.await_people("2 online: Anna (you), Ben")
    ben.await_people("2 online: Ben (you), Anna")
    assert anna.complaints == ben.complaints == []


def test_nothing_is_lost_or_doubled_when_the_web_server_is_killed(
    chat: ChatSystem, window: Callable[..., Window], room: str
) -> None:
    anna, ben = window().come_in("Anna", room), window().come_in("Ben", room)
    anna.say("before")
    ben.await_state("before", "confirmed")

    killed = chat.kill(WEB)
    for each in (anna, ben):
        each.await_status("Connection lost, trying again")
    anna.say("while it was down")
    anna.await_state("while it was down", "sending")
    chat.await_ready()
    with ChatClient(chat.ws_url) as other:  # most likely here before the windows are
        other.say(room, "from another")
    for each in (anna, ben):
        each.await_connected()
    ben.say("after")

    for each in (anna, ben):
        for text in ("before", "while it was down", "from another", "after"):
            each.await_state(text, "confirmed")
        assert len(each.texts) == 4
    assert anna.texts == ben.texts
    assert anna.texts[0] == "before"
    assert not set(killed) & {process.pid for process in chat.processes(WEB)}
    for each in (anna, ben):
        assert each.worries(of_a_lost_server=False) == []
    newcomer = window().come_in("Cleo", room)
    eventually(lambda: newcomer.texts == anna.texts, WAIT_S)


def test_a_shown_message_is_confirmed_when_it_was_stored_while_nobody_could_be_told(
    chat: ChatSystem, window: Callable[..., Window], room: str
) -> None:
    """No event tells of it afterwards: the window has to ask for what it saw and did not see confirmed."""
    anna, ben = window().come_in("Anna", room), window().come_in("Ben", room)
    with chat.locked_store() as unlock:
        anna.say("shown, not stored")
        for each in (anna, ben):
            each.await_state("shown, not stored", "pending")
        chat.kill(WEB)
        unlock()
        eventually(lambda: chat.stored(room), WAIT_S)
    for each in (anna, ben):
        each.await_connected()
        each.await_state("shown, not stored", "confirmed")


def test_a_failed_message_goes_through_when_it_is_tried_again(
    chat: ChatSystem, window: Callable[..., Window], room: str
) -> None:
    anna, ben = window().come_in("Anna", room), window().come_in("Ben", room)
    flooder = chat.client()
    flooder.join(room)
    with chat.locked_store() as unlock:
        for number in range(OUTBOX):
            flooder.say(room, f"flood {number}")
        with pytest.raises(Refused) as refused:
            flooder.say(room, "one too many")
        assert refused.value.code == "overloaded"

        anna.say("is anybody storing?")
        anna.await_state("is anybody storing?", "failed")
        assert "try again later" in anna.message("is anybody storing?").locator(".reason").inner_text()
        assert anna.page.locator("#announcer").inner_text().startswith("Not sent: ")
        ben.await_state("flood 0", "pending")
        assert "is anybody storing?" not in ben.texts
        unlock()
        flooder.until(lambda: len(flooder.confirmed()) == OUTBOX, WAIT_S)

    anna.message("is anybody storing?").get_by_role("button", name="Retry").click()
    anna.await_state("is anybody storing?", "confirmed")
    ben.await_state("is anybody storing?", "confirmed")
    assert anna.texts == ben.texts == [*(f"flood {number}" for number in range(OUTBOX)), "is anybody storing?"]
    assert anna.complaints == []


def test_older_messages_come_and_the_place_is_kept_when_somebody_scrolls_up(
    chat: ChatSystem, window: Callable[..., Window], room: str
) -> None:
    fill(chat, room, 120)
    anna = window().come_in("Anna", room)
    eventually(lambda: anna.texts == [f"message {number}" for number in range(71, 121)], WAIT_S)
    scroller = anna.page.locator("#scroller")

    top = "document.querySelector('[data-mark]').getBoundingClientRect().top"
    mark = "document.querySelector('.message').dataset.mark = 1"
    before = scroller.evaluate(f"(e) => {{ {mark}; e.scrollTop = 150; return {top}; }}")
    eventually(lambda: len(anna.texts) == 100, WAIT_S)
    assert abs(anna.page.evaluate(top) - before) < 2
    scroller.evaluate("(e) => { e.scrollTop = 0; }")
    eventually(lambda: len(anna.texts) == 120, WAIT_S)

    assert anna.texts == [f"message {number}" for number in range(1, 121)]
    assert anna.page.get_by_text("This is where the room begins.").is_visible()
    assert not anna.page.get_by_role("button", name="Show older messages").is_visible()
    chat.client().say(room, "news")
    anna.page.get_by_role("button", name="↓ Newest").click()
    assert anna.message("news").is_visible()
    assert anna.complaints == []


def test_text_stays_text_when_it_looks_like_markup(window: Callable[..., Window], room: str) -> None:
    eve, ben = window().come_in("<b>Eve</b>", room), window().come_in("Ben", room)
    eve.say(MARKUP)

    for each in (eve, ben):
        each.await_state(MARKUP, "confirmed")
        assert each.texts == [MARKUP]
        assert each.page.locator("#messages :is(img, script, b)").count() == 0
        assert each.page.title().endswith("Chat")
        assert each.complaints == []
    assert ben.page.locator(".author").inner_text() == "<b>Eve</b>"


def test_only_what_the_server_serves_may_run_or_be_reached(
    chat: ChatSystem, window: Callable[..., Window], room: str
) -> None:
    answer = requests.get(chat.url, timeout=10)
    policy = answer.headers["Content-Security-Policy"]
    host = chat.url.removeprefix("http://")
    for directive in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"connect-src 'self' ws://{host} wss://{host}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ):
        assert directive in policy.split("; ")
    anna = window().come_in("Anna", room)
    assert anna.complaints == []
    anna.page.evaluate(
        "() => { const s = document.createElement('style'); s.textContent = '*{}'; document.body.append(s); }"
    )
    assert anna.page.evaluate("() => fetch('http://127.0.0.1:1/').then(() => 'went', () => 'blocked')") == "blocked"
    with pytest.raises(Exception, match="TrustedHTML"):
        anna.page.evaluate("() => { document.body.innerHTML = '<b>hello</b>'; }")
    eventually(
        lambda: {each.split()[2] for each in anna.complaints if "CSP:" in each} >= {"style-src-elem", "connect-src"}
    )


def test_everything_works_when_there_is_only_a_keyboard(
    window: Callable[..., Window], chat: ChatSystem, room: str
) -> None:
    anna = window()
    keys = anna.page.keyboard
    anna.page.goto(chat.url)
    keys.type("Anna")
    keys.press("Enter")
    anna.await_connected()
    keys.type(room)  # the focus is in "Join a room"
    keys.press("Enter")
    keys.type("one line")  # and now in the message field
    keys.press("Shift+Enter")
    keys.type("and another")
    keys.press("Enter")
    anna.await_state("one line\nand another", "confirmed")

    anna.await_people("1 online: Anna (you)")
    expect(anna.page.get_by_role("button", name="Mute")).to_be_visible(timeout=PATIENCE_MS)
    order = []  # from the message field on, out of the page and around
    for _ in range(16):
        keys.press("Tab")
        order.append(anna.page.evaluate(FOCUSED))
    sidebar = ["theme", "join-room", "Join", room, "new-room", "notify", "sign-out"]
    assert order == ["send", "BODY", "skip", *sidebar, "people-summary", "mute", "leave", "scroller", "⋯", "draft"]
    for role, name in (
        ("navigation", "Rooms"),
        ("textbox", "Message"),
        ("textbox", "Join a room"),
        ("region", "Messages"),
    ):
        assert anna.page.get_by_role(role, name=name, exact=True).count() == 1, name  # type: ignore[arg-type]
    chat.client().say(room, "hello Anna")
    eventually(lambda: anna.page.locator("[aria-live=polite]").inner_text().endswith(": hello Anna"), WAIT_S)
    assert anna.complaints == []


def test_the_list_of_people_follows_who_comes_and_goes(
    window: Callable[..., Window], chat: ChatSystem, room: str
) -> None:
    anna, ben = window().come_in("Anna", room), window().come_in("Ben", room)
    anna.await_people("2 online: Anna (you), Ben")
    keys = anna.page.keyboard
    anna.page.locator("#people-summary").focus()
    keys.press("Enter")
    people = anna.page.get_by_role("list", name="People online in this room")
    expect(people.locator(".name")).to_have_text(["Anna (you)", "Ben"])
    cleo = window().come_in("Cleo", room)
    expect(people.locator(".name")).to_have_text(["Anna (you)", "Ben", "Cleo"], timeout=WAIT_S * 1000)
    cleo.page.get_by_role("button", name="Leave").click()
    expect(people.locator(".name")).to_have_text(["Anna (you)", "Ben"], timeout=WAIT_S * 1000)
    ben.context.close()
    expect(people.locator(".name")).to_have_text(["Anna (you)"], timeout=WAIT_S * 1000)
    anna.await_people("1 online: Anna (you)")
    keys.press("Escape")
    expect(people).not_to_be_visible()
    assert anna.page.evaluate(FOCUSED) == "people-summary"
    chat.client().join(room)
    anna.await_people(re.compile("^2 online: Anna \\(you\\), "))
    assert anna.complaints == []


def test_only_the_invited_come_in_when_a_group_is_made(
    window: Callable[..., Window], chat: ChatSystem, room: str
) -> None:
    anna, ben, eve = (window().come_in(name, room_name()) for name in ("Anna", "Ben", "Eve"))
    anna.page.get_by_role("button", name="New room…").click()
    dialog = anna.page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill(room)
    dialog.get_by_label("Only those I invite").check()
    dialog.get_by_label("User ids to invite").fill(ben.page.locator("#my-id").inner_text())
    dialog.get_by_role("button", name="Make it").click()
    anna.await_room(room)
    anna.say("welcome")
    anna.await_state("welcome", "confirmed")

    for each in (ben, eve):
        each.page.get_by_label("Join a room").fill(room)
        each.page.keyboard.press("Enter")
    ben.await_state("welcome", "confirmed")
    eventually(lambda: "by invitation" in eve.page.locator("#notice").inner_text(), WAIT_S)
    assert eve.page.get_by_role("link", name=room).count() == 0
    assert ben.page.get_by_role("link", name=room).get_attribute("aria-current") == "page"


def test_the_page_fits_when_the_screen_is_small_and_dark(window: Callable[..., Window], room: str) -> None:
    phone = window(viewport={"width": 360, "height": 640}, color_scheme="dark", has_touch=True).come_in(
        "Anna", room
    )
    phone.say("averylongword" * 20)
    phone.await_state("averylongword" * 20, "confirmed")

    is_wide = "() => document.documentElement.scrollWidth > innerWidth"
    assert not phone.page.evaluate(is_wide)
    phone.page.locator("#people-summary").tap()
    expect(phone.page.get_by_role("list", name="People online in this room")).to_be_visible()
    assert not phone.page.evaluate(is_wide)
    phone.page.locator("#scroller").tap()
    expect(phone.page.get_by_role("list", name="People online in this room")).not_to_be_visible()
    assert not phone.page.get_by_role("navigation").is_visible()
    assert phone.page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 28)"
    phone.page.get_by_role("button", name=re.compile("Rooms$")).click()
    assert phone.page.get_by_role("navigation", name="Rooms").is_visible()
    assert not phone.page.evaluate(is_wide)
    phone.page.get_by_role("link", name=room).click()
    assert phone.page.get_by_label("Message", exact=True).is_visible()
    assert phone.complaints == []
