"""Notifications in a real Chromium: what a push shows, what takes it away, and where a click leads.

No push service can be reached from a test. So a push is handed to the service worker as the browser's developer
tools do it, with the payload that the server sends; of the way there `PushManager.subscribe` alone is stood in for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from chat.push.base import Notice, NoticeKind
from chat.push.webpush import payload_of
from chat.services.push_text import collapse_of
from tests.acceptance.browser.window import PATIENCE_MS, Window
from tests.support.chat_system import ChatSystem, room_name
from tests.support.subscriptions import ENDPOINT, subscription
from tests.support.wait import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SUBSCRIBE = """(() => {
  const made = %s;
  PushManager.prototype.subscribe = async function (options) {
    window.subscribed = {
      isVisible: options.userVisibleOnly,
      key: options.applicationServerKey.length,
      isClicked: navigator.userActivation.hasBeenActive,
    };
    return { options, toJSON: () => made, unsubscribe: async () => true };
  };
})();"""
SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(
  ({ title, body, tag, data }) => ({ title, body, tag, room: data.roomId, seq: data.seq })
)"""
CLICK = """async () => {
  const [notification] = await self.registration.getNotifications();
  const event = new NotificationEvent("notificationclick", { notification });
  let done = null;
  event.waitUntil = (promise) => (done = promise); // one that a script made does not wait by itself
  self.dispatchEvent(event);
  await done.catch(() => {}); // only a real click may move the focus
  return (await self.registration.getNotifications()).length;
}"""
COUNT = """() => {
  const whole = take;
  self.taken = 0;
  take = async (notice) => { await whole(notice); self.taken += 1; };
}"""
HIDE = """() => {
  Object.defineProperty(document, "visibilityState", { value: "hidden" });
  document.hasFocus = () => false;
  document.dispatchEvent(new Event("visibilitychange"));
}"""
OPENED = """() => {
  self.opened = [];
  self.clients.openWindow = async (url) => self.opened.push(url);
}"""


class Notified:
    """A window in which somebody has switched notifications on."""

    def __init__(self, window: Window, room: str) -> None:
        self.window, self.page, self.room = window, window.page, room
        window.context.grant_permissions(["notifications"], origin=window.url)
        self.body = subscription()
        window.context.add_init_script(SUBSCRIBE % json.dumps(self.body))
        window.come_in("Anna", room)
        self.posted: list[dict[str, Any]] = []
        self.page.on("request", self._note)
        self.page.get_by_role("button", name="Notify me").click()
        expect(self.page.get_by_role("button", name="Stop notifying me")).to_be_visible(timeout=PATIENCE_MS)
        self.session = window.context.new_cdp_session(self.page)
        registrations: list[dict[str, Any]] = []
        self.session.on(
            "ServiceWorker.workerRegistrationUpdated", lambda told: registrations.extend(told["registrations"])
        )
        self.session.send("ServiceWorker.enable")
        self.page.wait_for_function(
            "async () => (await navigator.serviceWorker.ready).active.state === 'activated'"
        )
        self.await_that(lambda: registrations)
        self.registration = registrations[0]["registrationId"]
        self.in_worker(COUNT)

    def push(
        self,
        kind: str = "message",
        room: str = "den",
        seq: int = 7,
        title: str = "Ben",
        body: str = "hello",
        unread: int = 1,
    ) -> None:
        """Let a push arrive, with what the server sends of a message in another room."""
        told = (collapse_of(room), room, f"{room}.{seq}.e", seq, title, body, unread)
        notice = Notice(f"id-of-{room}-{seq}", NoticeKind(kind), *told, ttl_s=60)
        self.push_text(payload_of(notice).decode())

    def push_text(self, data: str) -> None:
        """Let a push arrive with just that, and wait until the worker is done with it."""
        before = self.in_worker("() => self.taken")
        origin = {"origin": self.window.url, "registrationId": self.registration}
        self.session.send("ServiceWorker.deliverPushMessage", origin | {"data": data})
        self.await_that(lambda: self.in_worker("() => self.taken") == before + 1)

    def shown(self) -> list[dict[str, Any]]:
        """Return the notifications that are there."""
        found: list[dict[str, Any]] = self.page.evaluate(SHOWN)
        return found

    def texts(self) -> list[tuple[str, str]]:
        """Return their titles and bodies."""
        return [(each["title"], each["body"]) for each in self.shown()]

    def await_that(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds; the browser's events are taken meanwhile."""
        for _ in range(PATIENCE_MS // 50):
            if holds():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("it did not happen")

    def in_worker(self, script: str) -> Any:
        """Run a script in the service worker."""
        self.await_that(lambda: self.window.context.service_workers)
        return self.window.context.service_workers[0].evaluate(script)

    def _note(self, request: Any) -> None:
        if request.method != "GET" and "/api/v1/" in request.url and "dev/token" not in request.url:
            path = request.url.partition("/api/v1/")[2]
            self.posted.append({"method": request.method, "path": path, "body": request.post_data_json})


@pytest.fixture
def anna(window: Callable[..., Window]) -> Notified:
    return Notified(window(), room_name())


def test_a_browser_is_registered_at_a_click_and_forgotten_at_another(chat: ChatSystem, anna: Notified) -> None:
    assert anna.page.evaluate("window.subscribed") == {"isVisible": True, "key": 65, "isClicked": True}
    assert anna.posted == [{"method": "POST", "path": "devices", "body": {**anna.body}}]
    token = chat.token(anna.page.locator("#my-id").inner_text())
    [device] = chat.get("/api/v1/devices", token).json()["devices"]
    assert device["kind"] == "webpush"
    anna.page.get_by_role("button", name="Stop notifying me").click()
    expect(anna.page.get_by_role("button", name="Notify me", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    eventually(lambda: chat.get("/api/v1/devices", token).json() == {"devices": []})
    assert anna.posted[1:] == [{"method": "DELETE", "path": f"devices/{device['id']}", "body": None}]
    assert anna.window.complaints == []


def test_nobody_is_asked_before_a_click_and_who_says_no_is_told(
    chat: ChatSystem, window: Callable[..., Window]
) -> None:
    ben = window()
    ben.context.add_init_script(
        "window.asked = 0; Notification.requestPermission = async () => (window.asked += 1, 'denied');"
    )
    ben.come_in("Ben", room_name())
    button = ben.page.get_by_role("button", name="Notify me")
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    assert ben.page.evaluate("window.asked") == 0
    button.click()
    expect(ben.page.locator("#push-status")).to_contain_text("allow them in its settings")
    assert ben.page.evaluate("[window.asked, navigator.serviceWorker.controller]") == [1, None]
    assert ben.complaints == []


def test_a_push_shows_a_notification_and_a_later_one_takes_its_place(anna: Notified) -> None:
    anna.push()
    assert anna.texts() == [("Ben", "hello")]
    assert anna.shown() == [{"title": "Ben", "body": "hello", "tag": collapse_of("den"), "room": "den", "seq": 7}]
    anna.push(seq=8, body="are you there?")
    assert anna.texts() == [("Ben", "are you there?")]
    anna.push(seq=6, body="late")
    anna.push(room="hall", title="", body="")
    assert sorted((each["room"], each["title"], each["body"]) for each in anna.shown()) == [
        ("den", "Ben", "are you there?"),
        ("hall", "New message", ""),  # contents were left out
    ]
    assert anna.window.complaints == []


def test_what_was_read_elsewhere_is_taken_away_and_what_came_since_stays(anna: Notified) -> None:
    anna.push(seq=7)
    anna.push(room="hall", seq=3)
    assert len(anna.shown()) == 2
    anna.push(kind="clear", seq=6, unread=1)
    anna.push(kind="clear", room="hall", seq=3, unread=1)
    assert [each["room"] for each in anna.shown()] == ["den"]
    anna.push(kind="clear", seq=7, unread=0)
    assert anna.shown() == []


def test_nothing_is_shown_of_the_room_one_looks_at_and_all_once_one_does_not(anna: Notified) -> None:
    anna.page.bring_to_front()
    anna.page.wait_for_function("document.hasFocus()")
    anna.page.evaluate("navigator.serviceWorker.ready")
    anna.page.wait_for_function("navigator.serviceWorker.controller !== null")
    anna.push(room=anna.room, body="in sight")
    anna.push(room="den", body="elsewhere")
    assert [each["body"] for each in anna.shown()] == ["elsewhere"]
    anna.page.get_by_role("button", name="Leave").click()
    anna.push(room=anna.room, body="out of sight")
    assert len(anna.shown()) == 2


def test_a_test_is_shown_wherever_one_looks_and_a_payload_nobody_can_read_too(anna: Notified) -> None:
    anna.push(kind="test", room="", seq=0, title="Test", body="It works")
    assert anna.texts() == [("Test", "It works")]
    anna.push_text("no json")
    assert len(anna.shown()) == 2


def test_a_click_leads_to_the_room(chat: ChatSystem, anna: Notified) -> None:
    there = room_name()
    anna.push(room=there)
    assert anna.texts() == [("Ben", "hello")]
    assert anna.in_worker(CLICK) == 0
    anna.window.await_room(there)
    assert anna.page.evaluate("location.hash") == f"#/{there}"


def test_a_click_opens_the_page_where_none_is_open(chat: ChatSystem, anna: Notified) -> None:
    anna.push(room="den")
    assert anna.texts() == [("Ben", "hello")]
    anna.in_worker(OPENED)
    anna.page.goto(f"{chat.url}/healthz")  # a window of the server's, but not the page
    assert anna.in_worker(CLICK) == 0
    assert anna.in_worker("() => self.opened") == [f"{chat.url}/#/den"]


def test_a_room_is_muted_and_stays_so(chat: ChatSystem, anna: Notified) -> None:
    token = chat.token(anna.page.locator("#my-id").inner_text())
    path = f"/api/v1/rooms/{anna.room}/push"
    anna.page.get_by_role("button", name="Mute").click()
    unmute = anna.page.get_by_role("button", name="Unmute")
    expect(unmute).to_be_visible(timeout=PATIENCE_MS)
    assert chat.get(path, token).json() == {"mode": "none", "muted_until": None}
    anna.page.reload()
    anna.window.await_connected()
    expect(unmute).to_be_visible(timeout=PATIENCE_MS)
    unmute.click()
    expect(anna.page.get_by_role("button", name="Mute", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert chat.get(path, token).json() == {"mode": None, "muted_until": None}
    assert anna.window.complaints == []


def test_a_test_tells_what_came_of_it(anna: Notified) -> None:
    answer = {"results": [{"id": "x", "kind": "webpush", "result": "delivered", "reason": None}]}
    anna.page.route("**/api/v1/devices/test", lambda route: route.fulfill(json=answer))
    anna.page.get_by_role("button", name="Send me a test").click()
    expect(anna.page.locator("#push-status")).to_have_text("webpush: the push service took it", timeout=PATIENCE_MS)


def test_a_changed_subscription_is_registered_again(anna: Notified) -> None:
    stub = "(made) => { PushManager.prototype.getSubscription = async () => ({ toJSON: () => made }); }"
    anna.page.evaluate(stub, anna.body | {"endpoint": f"{ENDPOINT}-new"})
    anna.in_worker("""() => { const event = new Event("pushsubscriptionchange");
      self.dispatchEvent(Object.assign(event, { newSubscription: {}, waitUntil: () => {} })); }""")
    anna.await_that(lambda: len(anna.posted) == 2)
    assert anna.posted[1]["body"]["endpoint"] == f"{ENDPOINT}-new"


def test_a_hidden_window_shows_what_comes_and_lets_go_of_what_is_read_elsewhere(
    chat: ChatSystem, anna: Notified, window: Callable[..., Window]
) -> None:
    ben = window().come_in("Ben", anna.room)
    ben.say("in sight")
    anna.page.evaluate("navigator.serviceWorker.ready")
    expect(anna.page.locator(".content").get_by_text("in sight")).to_be_visible(timeout=PATIENCE_MS)
    anna.page.evaluate(HIDE)
    ben.say("are you there?")
    anna.await_that(anna.shown)
    [shown] = anna.shown()
    assert (shown["title"], shown["body"]) == (f"Ben in {anna.room}", "are you there?")
    assert (shown["tag"], shown["room"]) == (collapse_of(anna.room), anna.room)
    token = chat.token(anna.page.locator("#my-id").inner_text())
    answer = chat.post(f"/api/v1/rooms/{anna.room}/seen", {"seq": shown["seq"]}, token)
    assert answer.status_code == 200
    anna.await_that(lambda: not anna.shown())
    assert anna.window.complaints == []


def test_a_hidden_window_shows_nothing_of_a_muted_room(anna: Notified, window: Callable[..., Window]) -> None:
    ben = window().come_in("Ben", anna.room)
    anna.page.get_by_role("button", name="Mute").click()
    expect(anna.page.get_by_role("button", name="Unmute")).to_be_visible(timeout=PATIENCE_MS)
    anna.page.evaluate(HIDE)
    with anna.page.expect_response(lambda told: told.url.endswith(f"/rooms/{anna.room}/push")) as asked:
        ben.say("nothing for Anna")
    assert asked.value.ok
    other = room_name()
    anna.page.evaluate("(room) => { location.hash = `#/${room}`; }", other)
    anna.window.await_room(other)
    cleo = window().come_in("Cleo", other)
    cleo.say("something for Anna")
    expect(anna.page.locator(".content").get_by_text("something for Anna")).to_be_visible(timeout=PATIENCE_MS)
    cleo.say("and more")  # the first may have come with the room's history, which is no news
    anna.await_that(anna.shown)
    assert [each["room"] for each in anna.shown()] == [other]
