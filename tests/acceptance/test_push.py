"""Notifications as people get them: a whole running system, and providers that speak the real protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.broker import keys
from chat.model.device import DeviceKind
from tests.support.chat_system import ChatSystem
from tests.support.issuer import SECRET, SecretIssuer
from tests.support.push.script import Answer
from tests.support.push.servers import PushServers, Target
from tests.support.wait import eventually

ISSUED = SecretIssuer()


@pytest.fixture(scope="module")
def push(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushServers]:
    with PushServers(tmp_path_factory.mktemp("push")) as servers:
        yield servers


@pytest.fixture(scope="module")
def system(push: PushServers) -> Iterator[ChatSystem]:
    environ = {**push.environ, "PUSH_GRACE_S": "0.2", "PUSH_SPACING_S": "0"}
    with ChatSystem(environ | {"AUTH_SECRET": SECRET}) as system:
        yield system


@pytest.fixture
def people(request: pytest.FixtureRequest, push: PushServers) -> dict[str, str]:
    """Tokens of three people, whom no other test knows."""
    push.reset()
    mark = f"{abs(hash(request.node.nodeid)):x}"
    return {who: ISSUED.token(sub=f"{who}-{mark}", name=who.title()) for who in ("ann", "bob")} | {
        "root": ISSUED.token(sub="root", admin=True),
        "mark": mark,
    }


def pair(system: ChatSystem, people: dict[str, str]) -> str:
    """Return the direct room of ann and bob."""
    body = {"type": "direct", "members": [f"bob-{people['mark']}"]}
    return str(system.post("/api/v1/rooms", body, people["ann"]).json()["id"])


def screen(push: PushServers, target: Target) -> list[tuple[str, str]]:
    shown = push[target.kind].screens.get(target.address, {})
    return [(each["title"], each["body"]) for each in shown.values()]


def enroll(system: ChatSystem, push: PushServers, token: str) -> list[Target]:
    targets = push.devices()
    for target in targets:
        assert system.post("/api/v1/devices", target.registration, token).status_code == 201
    return targets


def test_who_is_away_is_notified_on_each_device_until_it_is_read(
    system: ChatSystem, push: PushServers, people: dict[str, str]
) -> None:
    targets, room_id = enroll(system, push, people["bob"]), pair(system, people)
    path = f"/api/v1/rooms/{room_id}/messages"
    sent = system.post(path, {"content": "are you there?"}, people["ann"]).json()
    for target in targets:
        eventually(lambda target=target: screen(push, target) == [("Ann", "are you there?")], timeout_s=30)  # type: ignore[misc]
    mine = lambda: system.request("GET", "/api/v1/devices", token=people["bob"]).json()["devices"]  # noqa: E731
    eventually(lambda: [(each["last_result"] or {}).get("result") for each in mine()] == ["delivered"] * 3)
    assert system.post(f"/api/v1/rooms/{room_id}/seen", {"seq": sent["seq"]}, people["bob"]).ok
    for target in targets:
        eventually(lambda target=target: screen(push, target) == [], timeout_s=30)  # type: ignore[misc]
    metrics = system.request("GET", "/metrics").text
    assert "chat_push_delivered_total" in metrics
    assert 'chat_push_waiting{kind="fcm"}' in metrics


def test_who_is_connected_is_not_notified(system: ChatSystem, push: PushServers, people: dict[str, str]) -> None:
    enroll(system, push, people["bob"])
    room_id = pair(system, people)
    bob = system.client(people["bob"])
    bob.ask("join-chat-rooms", {"roomIds": [room_id]})
    system.post(f"/api/v1/rooms/{room_id}/messages", {"content": "hello"}, people["ann"])
    eventually(lambda: system.redis.hexists(keys.PUSH_SPANS, room_id), timeout_s=30)  # it was looked at
    assert not any(push[kind].taken for kind in DeviceKind)


def test_a_test_tells_what_each_provider_answers(
    system: ChatSystem, push: PushServers, people: dict[str, str]
) -> None:
    enroll(system, push, people["bob"])
    push.webpush.answer_next(Answer(413))
    told = system.post("/api/v1/devices/test", {}, people["bob"]).json()["results"]
    assert {each["kind"]: each["result"] for each in told} == {
        "apns": "delivered",
        "fcm": "delivered",
        "webpush": "refused",
    }


def test_a_letter_is_listed_and_sent_again(system: ChatSystem, push: PushServers, people: dict[str, str]) -> None:
    target, room_id = push.target(DeviceKind.WEBPUSH), pair(system, people)
    system.post("/api/v1/devices", target.registration, people["bob"])
    push.webpush.answer_next(Answer(400))
    system.post(f"/api/v1/rooms/{room_id}/messages", {"content": "again"}, people["ann"])
    path = "/api/v1/admin/dead-letters"
    listed = lambda: system.request("GET", f"{path}?kind=push", token=people["root"]).json()["dead_letters"]  # noqa: E731
    [letter] = eventually(
        lambda: [each for each in listed() if each["details"]["room_id"] == room_id], timeout_s=30
    )
    assert (letter["text"], letter["details"]["tries"]) == ("400", 1)
    assert system.post(f"{path}/{letter['id']}/redrive", {}, people["root"]).json()["outcome"] == "accepted"
    eventually(lambda: screen(push, target) == [("Ann", "again")], timeout_s=30)
    assert system.post(f"{path}/{letter['id']}/redrive", {}, people["root"]).status_code == 404
