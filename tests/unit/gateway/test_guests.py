"""Guests: the first text may be a token, and anything else makes them stay guests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.gateway.connection import Connection, ConnectionCallbacks
from chat.gateway.doorway import Doorway
from chat.gateway.guests import Guests
from chat.gateway.identity import Identity
from chat.gateway.session import Session
from tests.support.greenlets import turn
from tests.support.local_client import LocalClient

TOKEN = {"event": "authenticate", "data": {"token": "ann"}, "ack": 1}


class House:
    """One guest; `heard` is what reached the chat of it, `entered` who came in besides."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.entered: list[str] = []
        doorway = Doorway(lambda token: Identity(token, token, expires_at=4e9))
        doorway.leads_to(self._enter)
        callbacks = ConnectionCallbacks(
            on_message=lambda _, payload: self.heard.append(json.loads(payload)["event"]),
            on_binary=lambda *_: self.heard.append("binary"),
            on_closed=lambda connection, _: self.heard.append(f"{connection.context.user_id} left"),
        )
        self.client = LocalClient("guest-1", callbacks)
        Guests(doorway, callbacks, 65536).listen(self.client.connection)

    def say(self, frame: Any) -> None:
        connection = self.client.connection
        connection._callbacks.on_message(
            connection, frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        )
        turn()

    def _enter(self, connection: Connection, identity: Identity) -> Session:
        self.entered.append(identity.user_id)
        connection.context = Session(connection, identity)
        return connection.context


@pytest.fixture
def house():
    made = House()
    yield made
    made.client.close()


def test_a_guest_whose_first_frame_is_a_token_is_that_user(house):
    before = house.client.connection.connection_id
    house.say(TOKEN)
    assert (house.heard, house.entered) == (["guest-1 left"], ["ann"])
    assert house.client.connection.connection_id != before


@pytest.mark.parametrize("first", [{"event": "heartbeat", "data": {}}, {"event": "authenticate", "data": {}}])
def test_a_guest_stays_one_after_any_other_frame(house, first):
    house.say(first)
    house.say(TOKEN)
    assert (house.heard, house.entered) == ([first["event"], "authenticate"], [])
