"""Who x what x room type: every event and every route for everybody, with no hole, on a real server."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
import requests

from chat.protocol import commands
from tests.support.cast import Cast, event_data, route_request
from tests.support.chat_system import LoneServer
from tests.support.gevent_run import run_in_gevent
from tests.support.issuer import SECRET, SecretIssuer
from tests.support.rights import (
    CHANGES_A_ROOM,
    EVENTS,
    FOR_EVERYBODY,
    IN_DEV_ONLY,
    OK,
    PEOPLE,
    ROOMS,
    ROUTES,
    expected,
)
from tests.support.route_list import routes_of
from tests.support.valkey import ValkeyProcess

UNLIMITED = {
    "MAX_MESSAGES_PER_S": "0",
    "MAX_FRAMES_PER_S": "0",
    "MAX_REST_PER_S": "0",
    "MAX_JOINS_PER_S": "0",
    "MAX_SOCKETS_PER_USER": "0",
    "MAX_SOCKETS_PER_ADDRESS": "0",
}
ISSUED = SecretIssuer()


@pytest.fixture(scope="module")
def cast() -> Iterator[Cast]:
    """Everybody at a server in `jwt` mode, one of them revoked."""
    with (
        ValkeyProcess() as valkey,
        LoneServer(valkey.url, UNLIMITED | {"AUTH_MODE": "jwt", "AUTH_SECRET": SECRET}) as server,
    ):
        run = f"{time.time_ns():x}"
        names = {who: f"{who}-{run}" for who in (*PEOPLE, "other", "second")}
        tokens = {who: ISSUED.token(sub=names[who]) for who in PEOPLE if who not in ("nobody", "platform")}
        tokens["platform"] = ISSUED.token(sub=names["platform"], admin=True)
        cast = Cast(server, names, tokens)
        revoked = {"user_id": names["revoked"]}
        assert cast.request("platform", "POST", "/api/v1/admin/revocations", revoked) == OK
        yield cast
        cast.close()


def acting(who: str, room: str) -> str:
    """Return who that is: a direct room has no admin, the owner is the other one there."""
    return "owner" if room == "direct" and who == "admin" else who


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("event", commands.EVENTS)
def test_an_event_is_answered_as_the_table_says(cast: Cast, event: str, room: str) -> None:
    wanted = {who: expected(event, who, room) for who in PEOPLE}
    found = {}
    for who in PEOPLE:
        comes_in = event == "join-chat-rooms" and wanted[who] == OK
        place = cast.place(room, is_fresh=comes_in)
        somebody = acting(who, room)
        found[who] = cast.ask(somebody, event, event_data(cast, event, somebody, place))
    assert found == wanted


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("operation", ROUTES)
def test_a_request_is_answered_as_the_table_says(cast: Cast, operation: str, room: str) -> None:
    wanted = {who: expected(operation, who, room) for who in PEOPLE}
    found = {}
    for who in PEOPLE:
        place = cast.place(room, is_fresh=operation in CHANGES_A_ROOM and wanted[who] == OK)
        somebody = acting(who, room)
        found[who] = cast.request(somebody, *route_request(cast, operation, somebody, place))
    assert found == wanted


def test_what_was_refused_has_changed_no_room(cast: Cast) -> None:
    for room in ROOMS:
        cast.place(room, is_fresh=False)
    before = cast.shared()
    assert before.keys() == {"group", "channel", "direct", "deleted"}
    for who, room, operation in itertools.product(PEOPLE, ROOMS, sorted(CHANGES_A_ROOM)):
        if expected(operation, who, room) != OK:
            somebody = acting(who, room)
            place = cast.place(room, is_fresh=False)
            assert cast.request(somebody, *route_request(cast, operation, somebody, place)) != OK
    assert cast.shared() == before


@pytest.mark.parametrize("who", [None, "stranger"])
def test_what_is_for_everybody_asks_nobody_for_a_token(cast: Cast, who: str | None) -> None:
    headers = {"Authorization": f"Bearer {cast.tokens[who]}"} if who else {}
    for operation in FOR_EVERYBODY:
        path = operation.split(" ")[1].replace("<name>", "app.js")
        assert requests.get(cast.server.url + path, headers=headers, timeout=10).status_code == 200, path


def test_what_is_for_development_is_not_there(cast: Cast) -> None:
    for who in ("nobody", "stranger", "platform"):
        assert cast.request(who, "POST", "/api/v1/dev/token", {"user_id": "ann"}) == "not-found"
    assert requests.get(f"{cast.server.url}/ws/echo", timeout=10).status_code == 404


@pytest.mark.parametrize("mode", ["jwt", "dev"])
def test_no_event_and_no_route_is_without_a_row(mode: str) -> None:
    assert set(commands.EVENTS) == EVENTS.keys()
    routes = set(run_in_gevent(routes_of, mode))
    in_dev = IN_DEV_ONLY | {"WS /ws/echo"} if mode == "dev" else set()
    rows = {each.partition("#")[0] for each in ROUTES}
    assert routes == rows | FOR_EVERYBODY | {"WS /ws", "WS /"} | in_dev


# --- `dev` mode, where it differs: guests, and rooms that are made by coming in

GUEST_IN_A_CHANNEL = dict.fromkeys(commands.EVENTS, OK) | {  # a first frame may say who one is
    "edit-chat-message": "forbidden",
    "delete-chat-message": "forbidden",
}
MAKES_A_ROOM = ("join-chat-rooms", "send-chat-message")
ABOUT_NO_ROOM = ("authenticate", "heartbeat", "get-unread-counts", "get-presence", "leave-chat-rooms")


@pytest.fixture(scope="module")
def dev_cast() -> Iterator[Cast]:
    """Everybody at a server in `dev` mode, where who has no token is a guest."""
    with ValkeyProcess() as valkey, LoneServer(valkey.url, UNLIMITED | {"AUTH_MODE": "dev"}) as server:
        names = {who: f"{who}-dev" for who in (*PEOPLE, "other", "second")}
        tokens = {who: server.token(names[who]) for who in PEOPLE if who != "nobody"}
        cast = Cast(server, names, tokens)
        yield cast
        cast.close()


@pytest.mark.parametrize("event", commands.EVENTS)
def test_a_guest_is_in_every_channel_and_in_nothing_else(dev_cast: Cast, event: str) -> None:
    def asked(room: str) -> str:
        place = dev_cast.place(room, is_fresh=room == "unknown")
        return dev_cast.ask("nobody", event, event_data(dev_cast, event, "nobody", place))

    assert asked("channel") == GUEST_IN_A_CHANNEL[event]
    for room in ("group", "direct", "deleted"):
        refusal = "room-not-found" if room == "deleted" else "not-a-member"
        assert asked(room) == (GUEST_IN_A_CHANNEL[event] if event in ABOUT_NO_ROOM else refusal)
    is_found = event in MAKES_A_ROOM or event in ABOUT_NO_ROOM
    assert asked("unknown") == (GUEST_IN_A_CHANNEL[event] if is_found else "room-not-found")


@pytest.mark.parametrize("event", commands.EVENTS)
def test_whoever_joins_or_sends_to_an_unknown_room_makes_it_in_dev_mode(dev_cast: Cast, event: str) -> None:
    place = dev_cast.place("unknown", is_fresh=True)
    found = dev_cast.ask("stranger", event, event_data(dev_cast, event, "stranger", place))
    assert found == (OK if event in MAKES_A_ROOM or event in ABOUT_NO_ROOM else "room-not-found")
    is_there = dev_cast.request("stranger", "GET", f"/api/v1/rooms/{place.room_id}")
    assert is_there == (OK if event in MAKES_A_ROOM else "room-not-found")


@pytest.mark.parametrize("operation", [each for each in ROUTES if "/rooms/<" in each or "/messages/<" in each])
def test_only_a_message_makes_an_unknown_room_over_rest(dev_cast: Cast, operation: str) -> None:
    place = dev_cast.place("unknown", is_fresh=True)
    found = dev_cast.request("stranger", *route_request(dev_cast, operation, "stranger", place))
    wanted = OK if operation == "POST /api/v1/rooms/<room_id>/messages" else "room-not-found"
    assert found == wanted
    assert dev_cast.request("stranger", "GET", f"/api/v1/rooms/{place.room_id}") == wanted


def test_anybody_gets_a_dev_token(dev_cast: Cast) -> None:
    assert dev_cast.request("nobody", "POST", "/api/v1/dev/token", {"user_id": "ann"}) == OK
