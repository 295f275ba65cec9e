"""Seen through real sockets and requests: one step for any number of messages, told at once, stored later."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatSystem
from tests.support.wait import eventually


@pytest.fixture
def pair(system: ChatSystem, room: str) -> tuple[ChatClient, ChatClient]:
    """Ann and Ben, both in the room."""
    ann, ben = (system.client(system.token(f"{user}-{room}")) for user in ("ann", "ben"))
    for each in (ann, ben):
        each.join(room)
    return ann, ben


def says(client: ChatClient, room: str, count: int) -> list[dict[str, Any]]:
    return [client.say(room, f"message {number}") for number in range(count)]


def mark(client: ChatClient, room: str, **what: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.ask("mark-messages-seen", {"roomId": room, **what})
    return answer


def request(system: ChatSystem, how: str, path: str, user_id: str, body: Any = None) -> requests.Response:
    return system.request(how, path, body, system.token(user_id))


def test_the_room_is_told_once_when_many_messages_are_seen(
    system: ChatSystem, room: str, pair: tuple[ChatClient, ChatClient]
) -> None:
    ann, ben = pair
    sent = says(ann, room, 5)
    assert mark(ben, room, messageId=sent[3]["id"]) == {"roomId": room, "read_seq": 4, "unread": 1}
    ann.until(lambda: ann.of("messages-seen"))
    (data,) = ann.of("messages-seen")
    assert data["roomId"] == room
    assert (data["userId"], data["upToSeq"]) == (f"ben-{room}", 4)
    assert data["messageIds"] == [each["id"] for each in sent[3::-1]]
    assert mark(ben, room, seq=2) == {"roomId": room, "read_seq": 4, "unread": 1}  # it never goes back
    assert mark(ben, room, seq=10**9) == {"roomId": room, "read_seq": 5, "unread": 0}
    ann.until(lambda: len(ann.of("messages-seen")) == 2)
    assert ann.of("messages-seen")[1]["messageIds"] == [sent[4]["id"]]


def test_the_cursor_is_stored_and_known_to_the_next_join(
    system: ChatSystem, room: str, pair: tuple[ChatClient, ChatClient]
) -> None:
    ann, ben = pair
    says(ann, room, 3)
    mark(ben, room, seq=2)
    eventually(lambda: system.redis.hlen("chat:unstored:{0}") + 1)
    eventually(lambda: not any(system.redis.hlen(f"chat:unstored:{{{shard}}}") for shard in range(16)))
    again = system.client(system.token(f"ben-{room}"))
    joined = again.join(room)
    assert (joined["read_seq"], joined["unread"], joined["last_seq"]) == (2, 1, 3)
    for key in system.redis.keys(f"chat:read:*{room}"):
        system.redis.delete(key)
    assert again.ask("get-unread-counts")["rooms"][room] == 1


def test_it_is_an_error_that_names_the_field_when_there_is_no_such_message(
    system: ChatSystem, room: str, pair: tuple[ChatClient, ChatClient]
) -> None:
    ann, ben = pair
    (sent,) = says(ann, room, 1)
    strange = ["nonsense", f"{room}.1.zzzzzzzz", sent["id"].replace(".1.", ".2."), f"other{sent['id']}"]
    for message_id in strange:
        with pytest.raises(Refused) as refusal:
            mark(ben, room, messageId=message_id)
        assert (refusal.value.code, refusal.value.field) == ("invalid", "messageId")
    with pytest.raises(Refused) as refusal:
        mark(ben, room)
    assert refusal.value.field == "messageId"


def test_only_members_mark_and_see_who_has_seen(system: ChatSystem) -> None:
    made = system.post("/api/v1/rooms", {"type": "group", "members": ["ben"]}, system.token("ann")).json()
    eve = system.client(system.token("eve"))
    with pytest.raises(Refused) as refusal:
        mark(eve, made["id"], seq=1)
    assert refusal.value.code == "not-a-member"
    path = f"/api/v1/rooms/{made['id']}/seen"
    assert request(system, "POST", path, "eve", {"seq": 1}).status_code == 403
    assert request(system, "GET", path, "eve").status_code == 403
    assert requests.get(system.url + path, timeout=10).status_code == 401


def test_one_learns_who_has_seen_a_message(
    system: ChatSystem, room: str, pair: tuple[ChatClient, ChatClient]
) -> None:
    ann, _ben = pair
    sent = says(ann, room, 2)
    path = f"/api/v1/rooms/{room}/seen"
    told = request(system, "POST", path, f"ben-{room}", {"message_id": sent[0]["id"]})
    assert told.json() == {"read_seq": 1, "unread": 1}
    found = request(system, "GET", f"/api/v1/messages/{sent[0]['id']}/seen", f"ann-{room}").json()
    assert [(each["user_id"], each["up_to_seq"]) for each in found["seen"]] == [(f"ben-{room}", 1)]
    assert found["next"] is None
    assert request(system, "GET", f"{path}?seq=2", f"ann-{room}").json()["seen"] == []
    assert request(system, "GET", f"{path}?seq=x", f"ann-{room}").json()["field"] == "seq"


def test_others_are_not_told_when_one_reads_in_private(
    system: ChatSystem, room: str, pair: tuple[ChatClient, ChatClient]
) -> None:
    ann, ben = pair
    says(ann, room, 2)
    mark(ben, room, seq=1)
    me = request(system, "PATCH", "/api/v1/me", f"ben-{room}", {"read_receipts": False})
    assert me.json()["read_receipts"] is False
    ben.until(lambda: mark(ben, room, seq=2)["unread"] == 0)
    ann.ask("heartbeat")
    assert [each["upToSeq"] for each in ann.of("messages-seen")] == [1]
    path = f"/api/v1/rooms/{room}/seen"
    assert request(system, "GET", f"{path}?seq=2", f"ann-{room}").json()["seen"] == []
    request(system, "PATCH", "/api/v1/me", f"ben-{room}", {"read_receipts": True})
    mark(ben, room, seq=2)
    ann.until(lambda: [each["upToSeq"] for each in ann.of("messages-seen")] == [1, 2])
    assert request(system, "PATCH", "/api/v1/me", f"ben-{room}", {}).json()["field"] == "read_receipts"
