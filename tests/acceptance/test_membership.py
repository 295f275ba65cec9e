"""Rooms by invitation: who is not in them learns nothing and does nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatSystem

STRANGE_DEEDS: dict[str, Callable[[ChatClient, str], object]] = {
    "join": lambda client, room: client.join(room),
    "send": lambda client, room: client.say(room, "let me in"),
    "read": lambda client, room: client.history(room),
    "ask fates": lambda client, room: client.fates(room, "t-1"),
}


def create_group(system: ChatSystem, owner: str, *members: str) -> str:
    answer = system.post(
        "/api/v1/rooms", {"type": "group", "name": "A group", "members": members}, system.token(owner)
    )
    assert answer.status_code == 201
    return str(answer.json()["id"])


def test_a_group_tells_its_members_and_roles_when_it_was_made(system: ChatSystem, room: str) -> None:
    ann, ben = f"ann-{room}", f"ben-{room}"
    body = {"type": "group", "name": "Us", "id": f"group-{room}", "members": [ben, ben, ann]}
    answer = system.post("/api/v1/rooms", body, system.token(ann))
    assert answer.status_code == 201
    told = answer.json()
    assert {"id": f"group-{room}", "type": "group", "name": "Us", "member_count": 2}.items() <= told.items()
    assert {each["user_id"]: each["role"] for each in told["members"]} == {ann: "owner", ben: "member"}
    again = system.post("/api/v1/rooms", body, system.token(f"cat-{room}"))
    assert again.status_code == 409
    assert again.headers["Content-Type"] == "application/problem+json"


def test_members_of_a_group_talk(system: ChatSystem, room: str) -> None:
    group = create_group(system, f"ann-{room}", f"ben-{room}")
    ann, ben = system.client(system.token(f"ann-{room}")), system.client(system.token(f"ben-{room}"))
    ann.join(group)
    ben.join(group)
    ann.say(group, "just us")
    ben.until(lambda: ben.confirmed_seqs())
    assert [each["sender_id"] for each in ben.shown(group)] == [f"ann-{room}"]
    assert ben.shown(group)[0]["sender_name"] == f"ann-{room}".title()


@pytest.mark.parametrize("deed", STRANGE_DEEDS)
@pytest.mark.parametrize("is_guest", [True, False], ids=["guest", "user"])
def test_a_stranger_is_refused(system: ChatSystem, room: str, deed: str, is_guest: bool) -> None:
    group = create_group(system, f"ann-{room}", f"ben-{room}")
    ann = system.client(system.token(f"ann-{room}"))
    ann.join(group)
    ann.say(group, "secret", "t-1")
    stranger = system.client(None if is_guest else system.token(f"eve-{room}"))
    with pytest.raises(Refused) as refused:
        STRANGE_DEEDS[deed](stranger, group)
    assert (refused.value.code, refused.value.field) == ("not-a-member", "roomId")
    ann.say(group, "another secret")
    ann.until(lambda: len(ann.of("message-confirmed")) == 2)
    stranger.ask("heartbeat")
    assert stranger.shown() == []
    assert ann.seqs(group) == [1, 2]


def test_a_join_of_several_rooms_is_refused_as_a_whole_when_one_is_closed(system: ChatSystem, room: str) -> None:
    group = create_group(system, f"ann-{room}")
    stranger, other = system.client(), system.client()
    with pytest.raises(Refused):
        stranger.join(room, group)
    other.join(room)
    other.say(room, "hello")
    stranger.ask("heartbeat")
    assert stranger.shown() == []


def test_a_pair_has_one_direct_room(system: ChatSystem, room: str) -> None:
    ann, ben = f"ann-{room}", f"ben-{room}"
    answers = [
        system.post("/api/v1/rooms", {"type": "direct", "members": members}, system.token(creator))
        for creator, members in ((ann, [ben]), (ben, [ann]), (ann, [ann, ben]))
    ]
    assert [each.status_code for each in answers] == [201, 201, 201]
    assert len({each.json()["id"] for each in answers}) == 1
    direct = answers[0].json()
    assert (direct["type"], direct["member_count"]) == ("direct", 2)
    one, two = system.client(system.token(ann)), system.client(system.token(ben))
    one.join(direct["id"])
    two.join(direct["id"])
    two.say(direct["id"], "hello")
    one.until(lambda: one.seqs(direct["id"]) == [1])
    with pytest.raises(Refused):
        system.client(system.token(f"eve-{room}")).join(direct["id"])


@pytest.mark.parametrize("members", [[], ["me"], ["one", "two"]])
def test_a_direct_room_is_refused_when_it_is_not_for_two(system: ChatSystem, room: str, members: list[str]) -> None:
    named = [f"{each}-{room}" for each in members]
    answer = system.post("/api/v1/rooms", {"type": "direct", "members": named}, system.token(f"me-{room}"))
    assert answer.status_code == 400
    assert answer.json()["field"] == "members"


def test_making_a_room_needs_a_token(system: ChatSystem) -> None:
    answer = system.post("/api/v1/rooms", {"type": "group"})
    assert answer.status_code == 401
    assert {"type", "title", "status", "detail"} <= answer.json().keys()
