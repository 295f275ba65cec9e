"""Accepted messages under their public keys, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chat.broker.base import Accepted
from chat.broker.client import RedisAddress
from chat.broker.temp_messages import TTL_S, RedisTempMessages
from chat.broker.wire import Wire
from chat.errors import BrokerUnavailable
from tests.support.drafts import draft
from tests.support.valkey import ValkeyProcess

LATER = [(draft("later"), Accepted(8, "e1", 10))]


@pytest.fixture
def board(redis_url: str) -> Iterator[RedisTempMessages]:
    board = RedisTempMessages(RedisAddress(redis_url))
    yield board
    board.close()


def test_a_message_is_kept_as_it_was_shown_first(client, board):
    board.show([(draft("t1"), Accepted(7, "e1", 9))])
    assert client.ttl("chat:msg_temp:t1") == TTL_S
    assert json.loads(client.get("chat:msg_temp:t1")) == {
        "_temp": True,
        "id": "room456.7.e1",
        "seq": 7,
        "room_id": "room456",
        "sender_id": "ann",
        "temp_id": "t1",
        "content": "says t1",
    }


def test_a_batch_is_one_write(client, board, monkeypatch):
    sent: list[bytes] = []
    send = Wire.send

    def noted(wire: Wire, commands: bytes) -> None:
        sent.append(commands)
        send(wire, commands)

    monkeypatch.setattr(Wire, "send", noted)
    board.show([(draft(f"t{n}"), Accepted(n, "e1", n)) for n in range(50)])
    assert len(sent) == 1
    assert len(client.keys("chat:msg_temp:*")) == 50


def test_a_refusal_of_redis_is_told_and_the_next_batch_is_shown(client, board):
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(BrokerUnavailable):
            board.show([(draft("t1"), Accepted(7, "e1", 9))])
    finally:
        client.config_set("maxmemory", 0)
    board.show(LATER)
    assert client.keys("chat:msg_temp:*") == [b"chat:msg_temp:later"]


def test_a_redis_that_was_away_is_reached_again():
    with ValkeyProcess() as server:
        board = RedisTempMessages(RedisAddress(server.url, socket_timeout_s=0.5))
        board.show([(draft("t1"), Accepted(7, "e1", 9))])
        server.kill()
        with pytest.raises(BrokerUnavailable):
            board.show(LATER)
        server.start()
        board.show(LATER)
        board.close()
