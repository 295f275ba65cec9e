"""What can't be taken is refused in one exact form, and the connection lives on."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus

from tests.acceptance.conftest import FRIEND
from tests.support.chat_system import ChatSystem

LONG = "x" * (16 * 1024 + 1)
FAULTY = {
    "missing field": ("send-chat-message", {"roomId": "r"}, "content"),
    "missing room": ("send-chat-message", {"content": "hi"}, "roomId"),
    "missing rooms": ("join-chat-rooms", {}, "roomIds"),
    "wrong type": ("send-chat-message", {"roomId": "r", "content": 7}, "content"),
    "room of a wrong type": ("get-messages", {"roomId": ["r"]}, "roomId"),
    "data of a wrong type": ("send-chat-message", "hi", "data"),
    "unknown event": ("fly-to-the-moon", {}, "event"),
    "bad id": ("send-chat-message", {"roomId": "a:b", "content": "hi"}, "roomId"),
    "too long id": ("send-chat-message", {"roomId": "r" * 65, "content": "hi"}, "roomId"),
    "bad id in a list": ("join-chat-rooms", {"roomIds": ["good", "b{d"]}, "roomIds"),
    "bad temp id": ("send-chat-message", {"roomId": "ROOM", "content": "hi", "temp_id": "a b"}, "temp_id"),
    "empty content": ("send-chat-message", {"roomId": "ROOM", "content": ""}, "content"),
    "blank content": ("send-chat-message", {"roomId": "ROOM", "content": " \n"}, "content"),
    "too long content": ("send-chat-message", {"roomId": "ROOM", "content": LONG}, "content"),
    "too many at once": ("get-messages", {"roomId": "ROOM", "limit": 201}, "limit"),
    "typing of no room": ("chat-typing", {"isTyping": True}, "roomId"),
    "typing or not": ("chat-typing", {"roomId": "nobodys-room"}, "isTyping"),
    "seen up to where": ("mark-messages-seen", {"roomId": "nobodys-room"}, "messageId"),
    "fates of what": ("get-send-fate", {"roomId": "nobodys-room"}, "temp_ids"),
    "foreign reply": ("send-chat-message", {"roomId": "ROOM", "content": "hi", "reply_to": "x"}, "reply_to"),
    "half an emoji": ("send-chat-message", {"roomId": "ROOM", "content": "cut \ud83d"}, "content"),
}


@pytest.mark.parametrize("has_ack", [True, False], ids=["ack", "no ack"])
@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_frame_is_answered_once(system: ChatSystem, room: str, fault: str, has_ack: bool) -> None:
    event, data, field = FAULTY[fault]
    if isinstance(data, dict) and data.get("roomId") == "ROOM":
        data = {**data, "roomId": room}
    client = system.client()
    client.send(event, data, "my-ack" if has_ack else None)  # type: ignore[arg-type]
    client.ask("heartbeat")

    answers = [each for each in client.events if each["event"] not in ("welcome", "heartbeat")][:-1]
    if has_ack:
        [answer] = answers
        error = answer["data"].pop("error")
        assert answer == {"event": "ack", "data": {"ack": "my-ack", "ok": False}}
    else:
        [answer] = answers
        error = answer["data"]
        assert answer["event"] == "error"
        assert error.pop("event") == event
    assert error == {"code": "invalid", "message": error["message"], "field": field}
    assert field in error["message"]


@pytest.mark.parametrize(
    "text", ["not json", "[]", "7", '"text"', "null", "{", '{"event":"heartbeat"', "", '{"event":"a"}}', "[" * 5000]
)
def test_text_that_is_no_object_is_answered_with_one_error(system: ChatSystem, text: str) -> None:
    assert_one_error(system, text)


def test_a_binary_message_is_answered_with_one_error(system: ChatSystem) -> None:
    assert_one_error(system, json.dumps({"event": "heartbeat", "ack": 1}).encode())


def assert_one_error(system: ChatSystem, message: str | bytes) -> None:
    client = system.client()
    client.send_raw(message)
    client.ask("heartbeat")
    [error] = client.of("error")
    assert error == {"code": "invalid", "message": error["message"], "field": "frame", "event": None}


@pytest.mark.parametrize("ack", [True, 1.5, ["a"], {"a": 1}])
def test_the_error_is_told_as_an_event_when_the_ack_is_not_usable(system: ChatSystem, ack: Any) -> None:
    client = system.client()
    client.send_raw(json.dumps({"event": "heartbeat", "data": {}, "ack": ack}))
    client.ask("heartbeat")
    [error] = client.of("error")
    assert error["field"] == "ack"
    assert len(client.of("ack")) == 1


def test_a_frame_that_is_too_large_closes_the_connection(system: ChatSystem) -> None:
    client = system.client()
    client.ask("heartbeat")
    client.send_raw("x" * (64 * 1024 + 1))
    assert client.until_closed() == 1009


@pytest.mark.parametrize("origin", [FRIEND, "own", None])
@pytest.mark.parametrize("path", ["/", "/ws"])
def test_a_page_is_let_in_when_its_origin_is_known(system: ChatSystem, origin: str | None, path: str) -> None:
    client = system.client(
        url=system.ws_url.removesuffix("/ws") + path, origin=system.url if origin == "own" else origin
    )
    assert client.user_id.startswith("guest-")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://friend.example", f"{FRIEND}:8443", f"{FRIEND}.evil"]
)
@pytest.mark.parametrize("path", ["/", "/ws"])
def test_a_foreign_page_is_refused_before_the_upgrade(system: ChatSystem, origin: str, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        system.client(url=system.ws_url.removesuffix("/ws") + path, origin=origin)
    assert refused.value.response.status_code == 403


def test_a_forged_token_is_refused_in_dev_mode_too(system: ChatSystem) -> None:
    with pytest.raises(InvalidStatus) as refused:
        system.client(system.token("ann")[:-4] + "AAAA")
    assert refused.value.response.status_code == 401


def test_a_user_is_who_the_token_says(system: ChatSystem) -> None:
    token = system.token("ann-1")
    assert system.client(token).user_id == "ann-1"
    in_subprotocol = system.client(token, in_subprotocol=True)
    assert in_subprotocol.user_id == "ann-1"
    assert in_subprotocol.subprotocol == "chat.v1"


@pytest.mark.parametrize(
    "body", [{}, {"user_id": ""}, {"user_id": "a:b"}, {"user_id": "x" * 65}, {"user_id": 7}, []]
)
def test_no_token_is_minted_for_a_bad_name(system: ChatSystem, body: Any) -> None:
    answer = system.post("/api/v1/dev/token", body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == "user_id"


def test_the_state_of_the_server_is_told(system: ChatSystem, room: str) -> None:
    before = system.quiet_stats()
    client = system.client()
    client.join(room)
    client.say(room, "counted")
    client.until(lambda: client.confirmed())
    assert requests.get(f"{system.url}/healthz", timeout=5).status_code == 200
    assert requests.get(f"{system.url}/readyz", timeout=5).json() == {"status": "ready"}
    assert "text/html" in requests.get(f"{system.url}/", timeout=5).headers["Content-Type"]
    after = system.quiet_stats()
    assert after["totalSockets"] >= 1
    assert after["activeChatRooms"] >= 1
    for name in ("messagesAccepted", "messagesConfirmed"):
        assert after[name] - before[name] == 1, name
    assert {"p50", "p95", "p99"} == after["confirmationLatencyMs"].keys() == after["deliveryLatencyMs"].keys()
    assert {"hits", "misses", "hitRate"} == after["cache"].keys()
    assert {"connectedUsers", "outboxLength", "messagesRetracted", "storeRoundTrips", "drainTasks"} <= after.keys()
