"""What members see of changes of their room, live, on two servers, and after having been away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatServer, ChatSystem, LoneServer
from tests.support.threads import at_once


@pytest.fixture(scope="module")
def neighbour(running: ChatSystem) -> Iterator[LoneServer]:
    """A second web server on the same Redis and store."""
    shared = {
        "AUTH_MODE": "dev",
        "AUTH_SECRET": (running.stack.data_dir / "dev-secret").read_text().strip(),
    }
    with LoneServer(running.redis_url, shared, store_path=running.store_path) as server:
        yield server


class Group:
    """A group of ann (owner), ben and cat with clients on two servers."""

    def __init__(self, here: ChatServer, there: ChatServer, room: str) -> None:
        self.here, self.there, self.room_id = here, there, f"g-{room}"
        self.ann, self.ben, self.cat = (f"{each}-{room}" for each in ("ann", "ben", "cat"))
        body = {"id": self.room_id, "name": "Us", "members": [self.ben, self.cat]}
        assert here.post("/api/v1/rooms", body, here.token(self.ann)).status_code == 201

    def ask(self, who: str, method: str, rest: str = "", body: object = None) -> int:
        path = f"/api/v1/rooms/{self.room_id}{rest}"
        return self.here.request(method, path, body, self.here.token(who)).status_code

    def client(self, server: ChatServer, who: str, *, is_in: bool = True) -> ChatClient:
        client = server.client(self.here.token(who))
        client.until(lambda: client.of("welcome"))
        if is_in:
            client.join(self.room_id)
        return client


@pytest.fixture
def group(system: ChatSystem, neighbour: LoneServer, room: str) -> Iterator[Group]:
    yield Group(system, neighbour, room)
    neighbour.close_clients()


def updates(client: ChatClient) -> list[dict[str, Any]]:
    """Return what was told since the room is there; a slow server may tell of its making to who came just now."""
    return [each for each in client.of("room-updated") if each["change"] != "created"]


def changes(client: ChatClient) -> list[tuple[str, str | None]]:
    return [(each["change"], each.get("userId")) for each in updates(client)]


def test_everyone_in_the_room_is_told_of_each_change_in_order(group: Group) -> None:
    listeners = [
        group.client(server, who) for server in (group.here, group.there) for who in (group.ann, group.ben)
    ]
    for each in listeners:
        assert changes(each) == []
    assert group.ask(group.ann, "PUT", "/members/dan") == 200
    assert group.ask(group.ann, "PUT", f"/members/{group.ben}", {"role": "admin"}) == 200
    assert group.ask(group.ben, "PATCH", "", {"name": "We"}) == 200
    assert group.ask(group.ben, "DELETE", f"/members/{group.cat}") == 204
    expected = [
        ("member-added", "dan"),
        ("role-changed", group.ben),
        ("renamed", None),
        ("member-removed", group.cat),
    ]
    for each in listeners:
        each.until(lambda each=each: len(updates(each)) >= 4)  # type: ignore[misc]
        assert changes(each) == expected
        offsets = [told["offset"] for told in updates(each)]
        assert offsets == list(range(offsets[0], offsets[0] + 4))
        last = updates(each)[-1]
        assert last["roomId"] == group.room_id
        assert last["room"].keys() == {"id", "type", "name", "created_at", "member_count", "members"}
        assert (last["room"]["name"], last["room"]["member_count"]) == ("We", 3)
        assert {"user_id": group.ben, "role": "admin"} in last["room"]["members"]


def test_one_who_is_added_is_told_wherever_he_is_connected(group: Group) -> None:
    devices = [group.client(server, "dan-" + group.room_id, is_in=False) for server in (group.here, group.there)]
    assert group.ask(group.ann, "PUT", f"/members/dan-{group.room_id}") == 200
    for each in devices:
        each.until(lambda each=each: updates(each))  # type: ignore[misc]
        assert changes(each) == [("member-added", f"dan-{group.room_id}")]
        each.join(group.room_id)


def test_a_removed_member_gets_nothing_more_from_the_answer_on(group: Group) -> None:
    removed = [group.client(server, group.ben) for server in (group.here, group.there)]
    idle = group.client(group.there, group.ben, is_in=False)
    ann = group.client(group.there, group.ann)
    is_over = threading.Event()

    def talk() -> None:
        number = 0
        while not is_over.wait(0.06):  # under the rate that a user may have
            number += 1
            ann.shout(group.room_id, f"{number}")

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        for each in removed:
            each.until(lambda each=each: len(each.shown()) > 2)  # type: ignore[misc]
        assert group.ask(group.ann, "DELETE", f"/members/{group.ben}") == 204
        newest = max(ann.seqs() or [0])
        for each in removed:
            for deed in (each.say, lambda room, _: each.history(room), lambda room, _: each.join(room)):  # noqa: B023
                with pytest.raises(Refused) as refused:
                    deed(group.room_id, "still here?")
                assert refused.value.code == "not-a-member"
        ann.until(lambda: max(ann.seqs()) > newest + 10)
    finally:
        is_over.set()
        talker.join()
    for each in removed:
        each.ask("heartbeat")
        of_room = [told for told in each.events if group.room_id in str(told) and told["event"] != "ack"]
        assert of_room[-1]["event"] == "room-updated"
        assert changes(each)[-1] == ("member-removed", group.ben)
        assert len(changes(each)) == 1
        assert each.close_code is None
    idle.ask("heartbeat")
    assert changes(idle) == [("member-removed", group.ben)]
    assert not [each for each in ann.shown() if each["sender_id"] == group.ben]


def test_one_who_was_removed_hears_the_room_again_when_he_is_added_and_joins(group: Group) -> None:
    ben = group.client(group.there, group.ben)
    assert group.ask(group.ben, "DELETE", f"/members/{group.ben}") == 204  # leaves
    assert group.ask(group.ann, "PUT", f"/members/{group.ben}") == 200
    ben.until(lambda: len(updates(ben)) == 2)
    ben.join(group.room_id)
    ann = group.client(group.here, group.ann)
    ann.say(group.room_id, "welcome back")
    ben.until(lambda: ben.shown())


def test_a_deleted_room_is_out_of_reach_for_everybody(group: Group) -> None:
    clients = [group.client(group.here, group.ann), group.client(group.there, group.ben)]
    away = group.client(group.there, group.cat, is_in=False)
    clients[0].say(group.room_id, "the last word")
    assert group.ask(group.ann, "DELETE") == 204
    for each in (*clients, away):
        each.until(lambda each=each: updates(each))  # type: ignore[misc]
        assert changes(each)[-1] == ("deleted", None)
        for deed in (each.say, lambda room, _: each.history(room), lambda room, _: each.join(room)):  # noqa: B023
            with pytest.raises(Refused) as refused:
                deed(group.room_id, "x")
            assert refused.value.code == "room-not-found"
    assert group.ask(group.ann, "GET") == 404
    body = {"id": group.room_id}
    assert group.here.post("/api/v1/rooms", body, group.here.token(group.cat)).status_code == 409
    for who in (group.ann, group.ben, group.cat):
        mine = group.here.request("GET", "/api/v1/rooms", token=group.here.token(who)).json()
        assert group.room_id not in [each["id"] for each in mine["rooms"]]


def test_what_was_changed_meanwhile_is_replayed_in_its_place(group: Group) -> None:
    ben = group.client(group.here, group.ben, is_in=False)
    at = ben.join(group.room_id)
    ann = group.client(group.here, group.ann)
    ben.drop()
    ann.say(group.room_id, "one")
    assert group.ask(group.ann, "PATCH", "", {"name": "We"}) == 200
    ann.say(group.room_id, "two")
    back = group.client(group.there, group.ben, is_in=False)
    since = {group.room_id: {"epoch": at["epoch"], "offset": at["offset"]}}
    assert back.join(group.room_id, since=since)["recovered"] is True
    replayed = [(each["event"], each["data"]["offset"]) for each in back.events if "offset" in each["data"]]
    first = at["offset"] + 1
    assert replayed == [("new-chat-message", first), ("room-updated", first + 1), ("new-chat-message", first + 2)]


def test_my_rooms_are_listed_with_the_last_message(system: ChatSystem, room: str) -> None:
    token = system.token(f"me-{room}")
    for number in range(3):
        system.post("/api/v1/rooms", {"id": f"{room}-{number}", "type": "group"}, token)
    me = system.client(token)
    me.join(f"{room}-1")
    said = me.say(f"{room}-1", "hello")
    me.until(lambda: me.confirmed())
    first = system.request("GET", "/api/v1/rooms?limit=2", token=token).json()
    assert [each["id"] for each in first["rooms"]] == [f"{room}-0", f"{room}-1"]
    assert first["rooms"][0]["last_message"] is None
    assert first["rooms"][1]["last_message"]["id"] == said["id"]
    assert all(isinstance(each["unread"], int) for each in first["rooms"])
    rest = system.request("GET", f"/api/v1/rooms?limit=2&next={first['next']}", token=token).json()
    assert ([each["id"] for each in rest["rooms"]], rest["next"]) == ([f"{room}-2"], None)
    cached = system.redis.smembers(f"chat:user_rooms:me-{room}")
    assert cached == {f"{room}-{number}" for number in range(3)}
    assert 1700 < system.redis.ttl(f"chat:user_rooms:me-{room}") <= 1800
    assert system.redis.smembers(f"chat:room_members:{room}-1") == {f"me-{room}"}
    assert 1700 < system.redis.ttl(f"chat:room_members:{room}-1") <= 1800


def test_a_pair_has_one_direct_room_when_both_make_it_at_once_on_two_servers(
    system: ChatSystem, neighbour: LoneServer, room: str
) -> None:
    people = (f"ann-{room}", f"ben-{room}")
    tokens = [system.token(each) for each in people]

    def make(n: int) -> tuple[int, str]:
        server = (system, neighbour)[n // 2 % 2]
        body = {"type": "direct", "members": [people[1 - n % 2]]}
        answer = server.post("/api/v1/rooms", body, tokens[n % 2])
        return answer.status_code, answer.json()["id"]

    made = at_once(8, make)
    assert len(set(made)) == 1
    assert made[0][0] == 201  # type: ignore[index]
