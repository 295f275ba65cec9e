"""Connections that have not said who they are: one frame, a few seconds, nothing served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from chat.errors import KeysUnavailable, Unauthenticated
from chat.gateway import doorway
from chat.gateway.connection import Connection
from chat.gateway.doorway import FAULTS_LIMIT, Doorway
from chat.gateway.identity import Identity
from chat.gateway.session import Session
from tests.support.greenlets import turn
from tests.support.local_client import LocalClient


class Place:
    """A doorway whose tokens are user ids; `known` are the sessions that came of it."""

    def __init__(self) -> None:
        self.doorway = Doorway(self.verify)
        self.doorway.leads_to(self.enter)
        self.known: list[Session] = []
        self.clients: list[LocalClient] = []
        self.fault: Exception | None = None

    def verify(self, token: str) -> Identity:
        if self.fault:
            raise self.fault
        return Identity(token, token, expires_at=4e9)

    def enter(self, connection: Connection, identity: Identity) -> Session:
        self.known.append(Session(connection, identity))
        connection.context = self.known[-1]
        return self.known[-1]

    def stranger(self) -> LocalClient:
        client = LocalClient("nobody")
        self.clients.append(client)
        self.doorway.let_wait(client.connection)
        return client

    def say(self, client: LocalClient, event: str, data: Any = None, ack: Any = None) -> list[Any]:
        frame = {"event": event, "data": data or {}} | ({"ack": ack} if ack else {})
        self.doorway.on_message(client.connection, json.dumps(frame).encode())
        return client.told()


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    for client in made.clients:
        client.close()


def test_a_stranger_is_a_session_when_the_token_is_believed(place):
    client = place.stranger()
    [ack] = place.say(client, "authenticate", {"token": "ann"}, "a")
    assert ack["data"] == {
        "ack": "a",
        "ok": True,
        "result": {"userId": "ann", "expiresAt": "2096-10-02T07:06:40.000Z"},
    }
    assert [session.user_id for session in place.known] == ["ann"]
    place.doorway.check(monotonic() + 60)
    assert client.told() == []


def test_what_came_behind_is_kept_in_order_when_the_token_is_looked_at(place):
    client = place.stranger()
    for frame in ({"event": "authenticate", "data": {"token": "ann"}}, {"event": "one"}, {"event": "two"}):
        place.doorway.on_message(client.connection, json.dumps(frame).encode())
    turn()
    assert [json.loads(each)["event"] for each in place.known[0].inbox] == ["one", "two"]


@pytest.mark.parametrize(("fault", "told"), [(Unauthenticated("no"), [4500]), (KeysUnavailable(), [])])
def test_a_stranger_is_sent_away_when_the_token_is_not_believed(place, fault, told):
    place.fault = fault
    client = place.stranger()
    error, *closing = place.say(client, "authenticate", {"token": "x"})
    assert error["data"]["code"] == fault.code
    assert [each["data"]["code"] for each in closing] == told
    assert client.connection.state.value != "open"
    assert place.known == []


def test_a_stranger_is_sent_away_when_something_breaks(place):
    place.fault = ZeroDivisionError("a fault of ours")
    client = place.stranger()
    assert place.say(client, "authenticate", {"token": "x"}, 1) == []
    assert client.connection.state.value != "open"


@pytest.mark.parametrize("event", ["heartbeat", "fly"])
def test_nothing_is_served_when_a_stranger_asks(place, event):
    client = place.stranger()
    answers = [place.say(client, event, {}, number) for number in range(1, FAULTS_LIMIT + 1)]
    assert [len(each) for each in answers] == [1] * (FAULTS_LIMIT - 1) + [2]
    assert not any(each[0]["data"]["ok"] for each in answers)
    assert answers[-1][1]["data"]["code"] == 4501


def test_a_stranger_is_sent_away_when_it_says_nothing(place):
    client = place.stranger()
    place.doorway.check(monotonic() + doorway.PATIENCE_S - 0.5)
    assert client.told() == []
    place.doorway.check(monotonic() + doorway.PATIENCE_S)
    [closing] = client.told()
    assert closing["data"]["code"] == 4502


@pytest.mark.parametrize(
    ("how", "told"),
    [("on_flood", (4008, 1000)), ("on_overflow", (4003, 1000)), ("on_silence", (4005, 0))],
)
def test_a_stranger_hears_why_when_the_connection_is_closed_under_it(place, how, told):
    client = place.stranger()
    getattr(client.connection._callbacks, how)(client.connection)
    [closing] = client.told()
    assert (closing["data"]["code"], closing["data"]["afterMs"], closing["data"]["retry"]) == (*told, True)


def test_the_one_who_waited_longest_goes_when_too_many_wait(place, monkeypatch):
    monkeypatch.setattr(doorway, "MOST_WAITING", 2)
    crowded = Place()
    clients = [crowded.stranger() for _ in range(3)]
    assert [[each["data"]["code"] for each in client.told()] for client in clients] == [[4502], [], []]
    for client in clients:
        client.close()


def test_nobody_enters_when_the_connection_ended_meanwhile(place):
    client = place.stranger()
    frame = json.dumps({"event": "authenticate", "data": {"token": "ann"}}).encode()
    place.doorway.on_message(client.connection, frame)
    client.connection.abort()
    turn()
    assert place.known == []


def test_everyone_is_sent_elsewhere_when_the_server_leaves(place):
    client = place.stranger()
    place.doorway.leave()
    assert client.told() == []
    assert client.connection.state.value != "open"
