"""Who may do what in which room, over REST and WebSocket: every operation for everybody, with no hole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.chat_client import Refused
from tests.support.chat_system import ChatSystem

OWNER, ADMIN, MEMBER, STRANGER = "owner", "admin", "member", "stranger"
WHO = (OWNER, ADMIN, MEMBER, STRANGER, "nobody")

# method, path behind /api/v1/rooms/ROOM, body, what each of WHO gets
GROUP: list[tuple[str, str, Any, tuple[int, ...]]] = [
    ("GET", "", None, (200, 200, 200, 403, 401)),
    ("PATCH", "", {"name": "Other"}, (200, 200, 403, 403, 401)),
    ("PUT", "/members/{new}", {}, (200, 200, 403, 403, 401)),
    ("PUT", "/members/{new}", {"role": "admin"}, (200, 403, 403, 403, 401)),
    ("PUT", "/members/{new}", {"role": "owner"}, (200, 403, 403, 403, 401)),
    ("PUT", "/members/{other}", {"role": "admin"}, (200, 403, 403, 403, 401)),
    ("PUT", "/members/{other}", {"role": "owner"}, (200, 403, 403, 403, 401)),
    ("DELETE", "/members/{other}", None, (204, 204, 403, 403, 401)),
    ("DELETE", "/members/{owner}", None, (409, 403, 403, 403, 401)),
    ("DELETE", "", None, (204, 403, 403, 403, 401)),
]
DIRECT = [(method, path, body, (403, 403, 403, 403, 401)) for method, path, body, _ in GROUP if method != "GET"]
DIRECT.append(("GET", "", None, (200, 200, 200, 403, 401)))
CASES = [
    *(("group", *each) for each in GROUP),
    *(("channel", *each) for each in GROUP),
    *(("direct", *each) for each in DIRECT),
]
DEEDS: dict[str, Callable[[Any, str], object]] = {
    "join": lambda client, room: client.join(room),
    "send": lambda client, room: client.say(room, "hello"),
    "read": lambda client, room: client.history(room),
    "fates": lambda client, room: client.fates(room, "t-1"),
}


class Cast:
    """One room of a type, with somebody in each role."""

    def __init__(self, system: ChatSystem, kind: str, room: str) -> None:
        self.system, self.room = system, room
        self.names = {each: f"{each}-{room}" for each in (*WHO, "other", "new")}
        others = [self.names[each] for each in ((MEMBER,) if kind == "direct" else (ADMIN, MEMBER, "other"))]
        body: dict[str, Any] = {"type": kind, "members": others}
        self.room_id = self.ask(OWNER, "POST", "/api/v1/rooms", body).json()["id"]
        if kind == "direct":  # there are only two, who are alike
            self.names[ADMIN] = self.names[OWNER]
        else:
            self.ask(OWNER, "PUT", self.path(f"/members/{self.names[ADMIN]}"), {"role": "admin"})

    def path(self, rest: str) -> str:
        return f"/api/v1/rooms/{self.room_id}{rest.format_map(self.names)}"

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Any:
        token = None if who == "nobody" else self.system.token(self.names[who])
        return self.system.request(method, path, body, token)


@pytest.mark.parametrize(("kind", "method", "path", "body", "expected"), CASES)
def test_everyone_gets_what_is_theirs_over_rest(
    system: ChatSystem, room: str, kind: str, method: str, path: str, body: Any, expected: tuple[int, ...]
) -> None:
    # those who may not first, so that nothing has changed yet
    for place, (who, status) in enumerate(sorted(zip(WHO, expected, strict=True), key=lambda each: -each[1])):
        cast = Cast(system, kind, f"{room}-{place}")
        answer = cast.ask(who, method, cast.path(path), body)
        assert (who, answer.status_code) == (who, status), answer.text
        if status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= answer.json().keys()


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("kind", ["group", "channel", "direct"])
def test_everyone_gets_what_is_theirs_over_a_websocket(system: ChatSystem, room: str, kind: str, deed: str) -> None:
    cast = Cast(system, kind, room)
    for who in (OWNER, ADMIN, MEMBER):
        DEEDS[deed](system.client(system.token(cast.names[who])), cast.room_id)
    for token in (system.token(cast.names[STRANGER]), None):
        client = system.client(token)
        is_let_in = kind == "channel" and (deed == "join" or token is None)  # guests are in every channel
        if is_let_in:
            DEEDS[deed](client, cast.room_id)
            continue
        with pytest.raises(Refused) as refused:
            DEEDS[deed](client, cast.room_id)
        assert (refused.value.code, refused.value.field) == ("not-a-member", "roomId")


def test_a_stranger_joins_a_channel_as_a_member_and_nothing_else(system: ChatSystem, room: str) -> None:
    cast = Cast(system, "channel", room)
    me = cast.path("/members/{stranger}")
    assert cast.ask(STRANGER, "PUT", me, {"role": "admin"}).status_code == 403
    assert cast.ask(STRANGER, "PUT", me, {"role": "member"}).json()["role"] == "member"
    assert cast.ask(STRANGER, "GET", cast.path("")).status_code == 200
    assert cast.ask(STRANGER, "DELETE", me).status_code == 204
    assert cast.ask(STRANGER, "GET", cast.path("")).status_code == 403
