"""Dead letters over REST, at a server that has some."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from chat.broker import keys
from tests.support.cast import FURTHER
from tests.support.chat_system import LoneServer, room_name
from tests.support.issuer import SECRET, SecretIssuer
from tests.support.valkey import ValkeyProcess

PATH = "/api/v1/admin/dead-letters"
ISSUED = SecretIssuer()


def admin() -> str:
    """Return a token of an operator, made when it is needed: one of the collection's would have run out."""
    return ISSUED.token(sub="root", admin=True)


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyProcess]:
    with ValkeyProcess() as valkey:
        yield valkey


@pytest.fixture(scope="module")
def client(valkey: ValkeyProcess) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture(scope="module")
def server(valkey: ValkeyProcess) -> Iterator[LoneServer]:
    """A server in `jwt` mode, without workers."""
    with LoneServer(valkey.url, {"AUTH_MODE": "jwt", "AUTH_SECRET": SECRET}) as server:
        yield server


@pytest.fixture(autouse=True)
def no_letters(client: redis.Redis) -> None:
    """Begin without those of other tests."""
    client.delete(*(keys.dead(shard) for shard in range(keys.SHARDS)))


def bury(client: redis.Redis, room: str, *temp_ids: str) -> None:
    """Leave dead letters of Ann's, as the scripts do that give messages up."""
    for temp_id in temp_ids:
        own = {"room_id": room, "sender_id": "ann", "sender_name": "Ann", "temp_id": temp_id, "content": temp_id}
        members = json.dumps(own | FURTHER)[1:-1]
        fields: dict[Any, Any] = {"room": room, "m": f"ann {temp_id} 1800000000000\n{members}", "code": "refused"}
        client.xadd(keys.dead(keys.shard_of(room)), fields | {"text": "why", "at": int(time.time() * 1000)})


def letters(server: LoneServer, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get(f"{PATH}?{query}", admin()).json()["dead_letters"]
    return found


def test_an_operator_lists_redrives_and_drops_them(client: redis.Redis, server: LoneServer) -> None:
    ann, room = ISSUED.token(sub="ann"), room_name()
    server.post("/api/v1/rooms", {"type": "group", "id": room}, ann)
    assert letters(server) == []
    bury(client, room, "t-1", "t-2", "t-3")
    first, second, third = letters(server)
    page = server.get(f"{PATH}?limit=2", admin()).json()
    assert (page["dead_letters"], page["next"]) == ([first, second], second["id"])
    assert letters(server, f"kind=message&cursor={page['next']}") == [third]
    assert letters(server, "kind=push") == []
    assert (first["kind"], first["code"], first["text"]) == ("message", "refused", "why")
    assert first["details"]["temp_id"] == "t-1"

    assert server.post(f"{PATH}/{first['id']}/redrive", None, admin()).json() == {
        "id": first["id"],
        "outcome": "accepted",
    }
    assert server.post(f"{PATH}/{first['id']}/redrive", None, admin()).status_code == 404
    assert server.request("DELETE", f"{PATH}/{second['id']}", token=admin()).status_code == 204
    assert letters(server) == [third]
    [message] = server.get(f"/api/v1/rooms/{room}/messages", ann).json()["messages"]
    assert (message["temp_id"], message["_temp"]) == ("t-1", True)  # a worker would store it now


def test_nobody_else_may(client: redis.Redis, server: LoneServer) -> None:
    bury(client, room_name(), "kept")
    letter = next(each for each in letters(server) if each["details"]["temp_id"] == "kept")
    ann = ISSUED.token(sub="ann")
    for token, status in ((ann, 403), (None, 401)):
        assert server.get(PATH, token).status_code == status
        assert server.post(f"{PATH}/{letter['id']}/redrive", None, token).status_code == status
        assert server.request("DELETE", f"{PATH}/{letter['id']}", token=token).status_code == status
    assert letter in letters(server)
