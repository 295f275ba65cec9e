"""A socket that comes without a token: what it may say, for how long, and how it ends."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from websockets.exceptions import InvalidStatus

from tests.support.chat_client import Refused
from tests.support.chat_system import LoneServer
from tests.support.handmade import frames_of, masked, upgrade
from tests.support.identities import ISSUED, ends
from tests.support.raw_client import PING, RawClient, frame
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually


def test_a_socket_that_says_nothing_is_closed_after_five_seconds(server: LoneServer) -> None:
    start = time.monotonic()
    client = server.client()
    code, told = ends(client)
    assert (code, told["reason"]) == (4502, "no authentication in time")
    assert 4.9 < time.monotonic() - start < 6.5
    assert [each["event"] for each in client.events] == ["closing"]


def test_nothing_is_served_before_the_user_is_known(server: LoneServer, user_id: str) -> None:
    client = server.client()
    asked: dict[str, dict[str, Any]] = {
        "join-chat-rooms": {"roomIds": ["r"]},
        "send-chat-message": {"roomId": "r", "content": "hi"},
    }
    for event, data in asked.items():
        with pytest.raises(Refused) as refused:
            client.ask(event, data)
        assert (refused.value.code, refused.value.field) == ("unauthenticated", "event")
    client.send("get-messages", {"roomId": "r"})
    [error] = client.until(lambda: client.of("error"))
    assert (error["code"], error["event"]) == ("unauthenticated", "get-messages")
    assert client.ask("authenticate", {"token": ISSUED.token(sub=user_id)})["userId"] == user_id
    assert [each["event"] for each in client.events].count("welcome") == 1


@pytest.mark.parametrize("said", ["no json", b"\x00\x01", '{"event":"fly"}', "{}"])
def test_a_stranger_that_talks_nonsense_is_sent_away(server: LoneServer, said: str | bytes) -> None:
    client = server.client()
    for _ in range(5):
        client.send_raw(said)
    assert ends(client)[0] == 4501
    assert len(client.of("error")) == 5


def test_a_stranger_s_frame_is_at_most_four_kilobytes(server: LoneServer, user_id: str) -> None:
    client = server.client()
    client.send("authenticate", {"token": "x" * 4096})
    assert client.until_closed() == 1009
    known = server.client(ISSUED.token(sub=user_id))
    known.ask("heartbeat", {"padding": "x" * 20_000})
    late = server.client()
    late.ask("authenticate", {"token": ISSUED.token(sub=user_id)})
    late.ask("heartbeat", {"padding": "x" * 20_000})


def test_what_is_sent_behind_the_first_frame_is_served_after_it_in_order(server: LoneServer, user_id: str) -> None:
    token = ISSUED.token(sub=user_id)
    with socket.create_connection(server.address) as raw:
        raw.sendall(upgrade("Host: x\r\n") + b"".join([
            masked({"event": "authenticate", "data": {"token": token}, "ack": 1}),
            *(masked({"event": "heartbeat", "ack": number}) for number in range(2, 30)),
        ]))  # fmt: skip
        acks = [told["data"]["ack"] for told in frames_of(raw, 29 * 2) if told["event"] == "ack"]
    assert acks == list(range(1, 30))


def test_a_frame_without_ack_is_refused_with_an_error_and_the_close(server: LoneServer) -> None:
    client = server.client()
    client.send("authenticate", {"token": "no-token"})
    assert ends(client)[0] == 4500
    assert [each["event"] for each in client.events] == ["error", "closing"]


def test_a_stranger_that_floods_hears_why_it_is_closed(server: LoneServer) -> None:
    with RawClient(server.address[1]) as raw:
        raw.open(early=frame(PING) * 1000)
        (_, last), code = raw.receive(), raw.receive_close()
    told = json.loads(last)["data"]
    assert (code, told["code"], told["afterMs"], told["retry"]) == (4008, 4008, 1000, True)


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_stranger_s_origin_is_checked_before_the_upgrade(server: LoneServer, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        server.client(origin=origin)
    assert refused.value.response.status_code == 403


@pytest.fixture(scope="module")
def in_dev_mode(valkey: ValkeyProcess) -> Iterator[LoneServer]:
    with LoneServer(valkey.url, {"AUTH_MODE": "dev", "AUTH_SECRET": "s" * 32}) as server:
        yield server


@pytest.fixture
def trial(in_dev_mode: LoneServer) -> Iterator[LoneServer]:
    """A server with AUTH_MODE=dev, where who comes without a token is a guest."""
    yield in_dev_mode
    in_dev_mode.close_clients()


def test_a_guest_s_first_frame_may_say_who_it_is(trial: LoneServer, room: str, valkey: ValkeyProcess) -> None:
    client, ben = trial.client(), trial.client(trial.token("ben"))
    assert client.ask("authenticate", {"token": trial.token("ann")})["userId"] == "ann"
    guest, user = client.of("welcome")
    assert (guest["userId"][:6], user["userId"]) == ("guest-", "ann")
    for each in (client, ben):
        each.join(room)
    sent = client.say(room, "hello")
    [shown] = ben.until(lambda: ben.shown(room))
    assert (shown["id"], shown["sender_id"], shown["sender_name"]) == (sent["id"], "ann", "Ann")
    with redis.Redis.from_url(valkey.url, decode_responses=True) as store:
        eventually(lambda: store.hget(f"chat:connection:{user['connectionId']}", "user") == "ann")
        eventually(lambda: not store.exists(f"chat:connection:{guest['connectionId']}"))
        eventually(lambda: not store.exists(f"chat:online:{guest['userId']}"))
        assert store.exists(f"chat:connection:{user['connectionId']}")
    eventually(lambda: trial.stats()["totalSockets"] == 2)


def test_a_guest_s_first_frame_is_refused_as_a_stranger_s(trial: LoneServer) -> None:
    client = trial.client()
    client.send("authenticate", {"token": "no-token"}, "me")
    assert ends(client)[0] == 4500
    assert [each["ok"] for each in client.of("ack")] == [False]


def test_a_guest_stays_one_after_another_frame(trial: LoneServer) -> None:
    client = trial.client()
    client.ask("heartbeat")
    with pytest.raises(Refused) as refused:
        client.ask("authenticate", {"token": trial.token("ann")})
    assert refused.value.code == "unauthenticated"
    client.ask("heartbeat")
