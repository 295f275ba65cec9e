"""Who is let in when real tokens are asked for; the server runs with AUTH_MODE=jwt and no worker."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests
from websockets.exceptions import InvalidStatus

from tests.support.chat_client import Refused
from tests.support.chat_system import LoneServer, room_name
from tests.support.valkey import ValkeyProcess

SECRET = LONG_SECRET = "a secret of the tests that has the 64 bytes or more that HS512 wants"
OTHER_SECRET = "another one, which has at least the 64 bytes that HS512 wants of it"


@pytest.fixture(scope="module")
def running() -> Iterator[LoneServer]:
    with ValkeyProcess() as valkey, LoneServer(valkey.url, {"AUTH_MODE": "jwt", "AUTH_SECRET": SECRET}) as server:
        yield server


@pytest.fixture
def server(running: LoneServer) -> Iterator[LoneServer]:
    yield running
    running.close_clients()


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    told = {"sub": "ann", "name": "Ann", "exp": int(time.time()) + 600, **claims}
    return jwt.encode({name: value for name, value in told.items() if value is not None}, secret, algorithm)


def unsigned() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'sub': 'ann', 'exp': int(time.time()) + 600})}."


REFUSED = {
    "no token": lambda: None,
    "bad signature": lambda: token(OTHER_SECRET),
    "not signed": unsigned,
    "another algorithm": lambda: token(LONG_SECRET, algorithm="HS512"),
    "no exp": lambda: token(exp=None),
    "expired": lambda: token(exp=int(time.time()) - 10),
    "no sub": lambda: token(sub=None),
    "sub that is no id": lambda: token(sub="a:b"),
    "no JWT": lambda: "abc",
    "changed": lambda: token()[:-6] + "AAAAAA",
}


def test_a_token_in_the_header_is_believed(server: LoneServer) -> None:
    client = server.client(token())
    assert client.user_id == "ann"
    assert client.subprotocol is None


def test_a_token_in_the_subprotocol_is_believed_and_not_answered(server: LoneServer) -> None:
    client = server.client(token(), in_subprotocol=True)
    assert client.user_id == "ann"
    assert client.subprotocol == "chat.v1"


@pytest.mark.parametrize("path", ["/", "/ws"])
@pytest.mark.parametrize("fault", sorted(REFUSED.keys() - {"no token"}))
def test_nobody_is_let_in_with(server: LoneServer, fault: str, path: str) -> None:
    address = server.ws_url.removesuffix("/ws") + path
    for in_subprotocol in (False, True):
        with pytest.raises(InvalidStatus) as refused:
            server.client(REFUSED[fault](), url=address, in_subprotocol=in_subprotocol)
        assert refused.value.response.status_code == 401


def test_who_shows_no_token_is_served_nothing_and_sent_away(server: LoneServer) -> None:
    strangers = [server.client(), server.client(subprotocols=["chat.v1"])]
    room = room_name()
    with pytest.raises(Refused) as refused:
        strangers[0].join(room)
    assert refused.value.code == "unauthenticated"
    for each in strangers:
        assert each.until_closed(8) == 4502
        assert {"code": 4502, "retry": False}.items() <= each.events[-1]["data"].items()
        assert each.of("welcome") == []


def test_a_token_in_the_first_frame_is_believed_when_it_is_sound(server: LoneServer) -> None:
    client, forger = server.client(), server.client()
    client.ask("authenticate", {"token": token()})
    assert client.user_id == "ann"
    with pytest.raises(Refused) as refused:
        forger.ask("authenticate", {"token": token(OTHER_SECRET)})
    assert refused.value.code == "unauthenticated"
    assert forger.until_closed() == 4500


def test_a_token_in_the_address_is_not_believed(server: LoneServer) -> None:
    with pytest.raises(InvalidStatus) as refused:
        server.client(url=f"{server.ws_url}?token={token()}")
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/dev/token", "/ws/echo"])
def test_what_is_for_trials_is_not_there(server: LoneServer, path: str) -> None:
    assert server.post(path, {"user_id": "ann"}, token()).status_code == 404


@pytest.mark.parametrize("fault", REFUSED)
def test_rest_is_refused_too(server: LoneServer, fault: str) -> None:
    answer = server.post("/api/v1/rooms", {"type": "group"}, REFUSED[fault]())
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_unknown_room_is_not_made_on_sight(server: LoneServer) -> None:
    client = server.client(token())
    for ask in (client.join, lambda room: client.say(room, "hello")):
        with pytest.raises(Refused) as refused:
            ask(room_name())
        assert (refused.value.code, refused.value.field) == ("room-not-found", "roomId")


def test_a_channel_lets_everyone_with_a_token_in(server: LoneServer) -> None:
    channel = server.post("/api/v1/rooms", {"type": "channel", "name": "All"}, token()).json()["id"]
    ben = server.client(token(sub="ben", name="Ben"))
    ben.join(channel)
    ben.say(channel, "hello")
    ben.until(lambda: ben.shown(channel))
    assert (ben.shown()[0]["sender_id"], ben.shown()[0]["sender_name"]) == ("ben", "Ben")


def test_pages_for_operators_need_no_token(server: LoneServer) -> None:
    for path in ("/", "/healthz", "/readyz", "/stats"):
        assert requests.get(server.url + path, timeout=5).status_code == 200
