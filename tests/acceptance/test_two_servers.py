"""Two stacks with one Redis and one store are one chat."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatSystem, LoneServer
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

LIVE_S = 2.5  # less than the 3 s and 5 s after which a server looks for what pub/sub has lost
PER_PERSON = 5  # messages, of six people: few, so that LIVE_S is long
PACE_S = 1.2  # more than the second in which a strict server lets one message pass


@pytest.fixture(scope="module")
def neighbour(running: ChatSystem) -> Iterator[ChatSystem]:
    shared = {
        "REDIS_URL": running.redis_url,
        "STORE_URL": f"sqlite:///{running.store_path}",
        "AUTH_SECRET": (running.stack.data_dir / "dev-secret").read_text().strip(),
    }
    with ChatSystem(shared) as system:
        yield system
        system.stack.press_ctrl_c()
        assert system.stack.exit_code() == 0
        assert system.stack.left_running() == []


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[tuple[LoneServer, LoneServer]]:
    """Two that let one message of a user pass a second, and two at once."""
    shared = {"AUTH_MODE": "dev", "AUTH_SECRET": "s" * 32, "MAX_MESSAGES_PER_S": "1"}
    store_path = tmp_path / "chat.db"
    with (
        ValkeyProcess() as redis,
        LoneServer(redis.url, shared, store_path) as here,
        LoneServer(redis.url, shared, store_path) as there,
    ):
        yield here, there


@pytest.fixture
def pair(system: ChatSystem, neighbour: ChatSystem, room: str) -> tuple[ChatClient, ChatClient]:
    """Ann here and Ben there, both in the room."""
    ann, ben = system.client(system.token(f"ann-{room}")), neighbour.client(neighbour.token(f"ben-{room}"))
    for each in (ann, ben):
        each.join(room)
    return ann, ben


def test_messages_cross_servers_both_ways_in_one_order(
    system: ChatSystem, neighbour: ChatSystem, room: str
) -> None:
    here = [system.client() for _ in range(3)]
    there = [neighbour.client() for _ in range(3)]
    everyone = [*here, *there]
    for each in everyone:
        each.join(room)
    for number in range(PER_PERSON):
        for each in everyone:
            each.shout(room, f"{number}", f"t-{number}")
    told_by = time.monotonic() + LIVE_S
    mine, all_of_them = PER_PERSON, PER_PERSON * len(everyone)
    for each in everyone:
        left_s = told_by - time.monotonic()
        each.until(lambda each=each: len(each.seqs(room)) == all_of_them, left_s)  # type: ignore[misc]
        each.until(lambda each=each: len(each.confirmed()) == mine, left_s)  # type: ignore[misc]
        assert each.seqs(room) == list(range(1, all_of_them + 1))
        assert set(each.confirmed().values()) == {1}
        each.until(lambda each=each: len(each.confirmed_seqs()) == all_of_them - mine)  # type: ignore[misc]
        assert set(each.confirmed_seqs().values()) == {1}
    assert len({tuple(m["id"] for m in each.shown(room)) for each in everyone}) == 1
    assert here[0].history(room) == there[0].history(room)


def test_a_users_devices_are_told_on_both_servers(system: ChatSystem, neighbour: ChatSystem, room: str) -> None:
    token = system.token(f"user-{room}")
    phone, laptop = system.client(token), neighbour.client(token)
    phone.join(room)
    laptop.join(room)
    first = phone.say(room, "hello", "t-1")
    assert laptop.say(room, "hello", "t-1")["id"] == first["id"]
    for device in (phone, laptop):
        device.until(lambda device=device: device.confirmed(), LIVE_S)  # type: ignore[misc]
        assert device.seqs(room) == [1]
        assert device.confirmed() == {"t-1": 1}


def test_a_group_made_here_is_known_there(system: ChatSystem, neighbour: ChatSystem, room: str) -> None:
    body = {"type": "group", "members": [f"ben-{room}"]}
    group = system.post("/api/v1/rooms", body, system.token(f"ann-{room}")).json()["id"]
    neighbour.client(system.token(f"ben-{room}")).join(group)
    with pytest.raises(Refused):
        neighbour.client().join(group)


def test_a_client_resumes_on_the_other_server(system: ChatSystem, neighbour: ChatSystem, room: str) -> None:
    sender, away = neighbour.client(), system.client()
    sender.join(room)
    position = away.join(room)
    for number in range(5):
        sender.say(room, f"{number}")
    away.until(lambda: len(away.seqs(room)) == 5)
    away.drop()
    for number in range(5):
        sender.say(room, f"{number}")
    back = neighbour.client()
    assert back.join(room, since={room: {"epoch": position["epoch"], "offset": 5}})["recovered"] is True
    assert back.seqs(room) == [6, 7, 8, 9, 10]


def test_the_figures_of_both_servers_are_summed(system: ChatSystem, neighbour: ChatSystem, room: str) -> None:
    clients = [system.client(), neighbour.client()]
    for each in clients:
        each.join(room)
    clients[0].say(room, "counted once")
    clients[0].until(lambda: clients[0].confirmed())
    eventually(lambda: system.stats()["servers"] == neighbour.stats()["servers"] == 2)  # each reports every 2 s
    same = ("messagesAccepted", "messagesConfirmed", "messagesRetracted")
    here, there = system.quiet_stats(), neighbour.quiet_stats()
    assert {name: here[name] for name in same} == {name: there[name] for name in same}


def test_a_users_rate_is_limited_over_both_servers_when_each_alone_would_let_it_pass(
    strict: tuple[LoneServer, LoneServer], room: str
) -> None:
    token = strict[0].token("ann")
    devices = [each.client(token) for each in strict]
    for each in devices:
        each.join(room)
    acks = itertools.count()

    def refusals() -> list[dict[str, Any]]:
        return [told["error"] for each in devices for told in each.of("ack") if not told["ok"]]

    def say() -> list[dict[str, Any]]:
        for each in devices:
            each.send("send-chat-message", {"roomId": room, "content": "again"}, next(acks))
        return refusals()

    # nothing is waited for: each server's own limit is kept and that of both is not, however slow they are
    eventually(say, timeout_s=30, every_s=PACE_S)
    assert {each["code"] for each in refusals()} == {"rate-limited"}
    assert all("over all connections" in each["message"] for each in refusals())
    assert all(each["retryAfter"] > 0 for each in refusals())


def test_typing_and_seen_cross_servers_and_end_with_them(pair: tuple[ChatClient, ChatClient], room: str) -> None:
    ann, ben = pair
    ann.ask("chat-typing", {"roomId": room, "isTyping": True})
    ben.until(lambda: [each["isTyping"] for each in ben.of("chat-user-typing")] == [True], LIVE_S)
    sent = ann.say(room, "hello")
    ben.until(lambda: [each["isTyping"] for each in ben.of("chat-user-typing")] == [True, False], LIVE_S)
    ben.ask("mark-messages-seen", {"roomId": room, "messageId": sent["id"]})
    ann.until(lambda: ann.of("messages-seen"), LIVE_S)
    assert [(each["userId"], each["upToSeq"]) for each in ann.of("messages-seen")] == [(f"ben-{room}", 1)]
    assert ann.of("chat-user-typing") == []  # not of oneself


def test_private_reading_counts_on_both_servers_at_once(
    pair: tuple[ChatClient, ChatClient], system: ChatSystem, room: str
) -> None:
    ann, ben = pair
    ann.say(room, "one")
    ben.ask("mark-messages-seen", {"roomId": room, "seq": 1})
    headers = {"Authorization": f"Bearer {system.token(f'ben-{room}')}"}
    requests.patch(f"{system.url}/api/v1/me", json={"read_receipts": False}, headers=headers, timeout=10)
    ann.say(room, "two")
    ben.until(lambda: len(ben.shown(room)) == 2)
    assert ben.ask("mark-messages-seen", {"roomId": room, "seq": 2})["unread"] == 0
    ann.ask("heartbeat")
    assert [each["upToSeq"] for each in ann.of("messages-seen")] == [1]


def test_counts_are_right_when_redis_was_wiped_in_between(
    pair: tuple[ChatClient, ChatClient], system: ChatSystem, room: str
) -> None:
    ann, ben = pair
    for number in range(5):
        ann.say(room, f"message {number}")
    ben.ask("mark-messages-seen", {"roomId": room, "seq": 2})
    ann.until(lambda: len(ann.confirmed()) == 5)
    redis = system.redis
    eventually(lambda: not any(redis.hlen(f"chat:unstored:{{{shard}}}") for shard in range(16)))
    redis.flushall()
    assert ben.ask("get-unread-counts")["rooms"][room] == 3
    assert ann.ask("get-unread-counts")["rooms"][room] == 0
    eventually(lambda: redis.get(f"chat:unread:ben-{room}:{room}") == "3")
    assert ann.say(room, "after")["seq"] == 6
    assert ben.ask("mark-messages-seen", {"roomId": room, "seq": 4}) == {"roomId": room, "read_seq": 4, "unread": 2}
    ann.until(lambda: [each["upToSeq"] for each in ann.of("messages-seen")] == [2, 4])
