from __future__ import annotations

from typing import Any, cast

import pytest
from flask import Flask, g

from chat.errors import NotAMember
from chat.gateway.identity import Identity
from chat.gateway.rest import messages, problems
from chat.services.amending import Reacted
from chat.services.drafting import Outgoing
from chat.services.history import Page

ANN = Identity("ann", "Ann")
ID = "room456.7.abcd1234"


class Backroom:
    """Everything behind the routes; `done` says what was asked of it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.removed_by: str | None = None  # ann, while this is done

    def require(self, room_id: str, user_id: str, *, makes_room: bool = False) -> None:
        is_removed = any(each[0] == self.removed_by for each in self.done)
        if user_id != "ann" or room_id != "room456" or is_removed:
            raise NotAMember("you are not a member", field="roomId")

    def page(self, room_id: str, limit: int, **where: int | None) -> Page:
        self.done.append(("page", room_id, limit, where))
        return Page([b'{"seq":7}'], True)

    def post(self, identity: Identity, outgoing: Outgoing) -> dict[str, Any]:
        self.done.append(("post", identity.user_id, outgoing))
        return {"seq": 8}

    def edit(self, user_id: str, ref: Any, content: str) -> bytes:
        self.done.append(("edit", user_id, ref.seq, content))
        return b'{"seq":7}'

    def delete(self, user_id: str, ref: Any) -> None:
        self.done.append(("delete", user_id, ref.seq))

    def react(self, user_id: str, ref: Any, emoji: str, remove: bool | None) -> Reacted:
        self.done.append(("react", user_id, ref.seq, emoji, remove))
        return Reacted("added", {emoji: [user_id]})

    def versions(self, user_id: str, ref: Any) -> list[Any]:
        self.done.append(("versions", user_id, ref.seq))
        return []


class Desk:
    def __init__(self) -> None:
        self.back = Backroom()
        self.identity: Identity | None = ANN
        self.app = Flask(__name__, static_folder=None)
        problems.install(self.app)
        back = cast("Any", self.back)  # all that is behind the routes in one
        self.app.register_blueprint(messages.blueprint(back, back, back, back))
        self.app.before_request(self._identify)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self.app.test_client().open(f"/api/v1/{path}", method=method, json=body)

    def _identify(self) -> None:
        g.identity = self.identity


ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "rooms/{room}/messages", None),
    ("POST", "rooms/{room}/messages", {"content": "hi"}),
    ("PATCH", "messages/{id}", {"content": "ho"}),
    ("DELETE", "messages/{id}", None),
    ("POST", "messages/{id}/reactions", {"emoji": "👍"}),
    ("GET", "messages/{id}/edits", None),
]


@pytest.mark.parametrize(
    ("route", "status", "told", "done"),
    [
        (
            ("GET", "rooms/room456/messages?before=9&limit=1", None),
            200,
            {"messages": [{"seq": 7}], "has_more": True},
            ("page", "room456", 1, {"before": 9, "after": None}),
        ),
        (
            ("POST", "rooms/room456/messages", {"content": "hi", "tempId": "t1", "replyTo": ID}),
            201,
            {"seq": 8},
            ("post", "ann", Outgoing("room456", "hi", "t1", ID)),
        ),
        (("PATCH", f"messages/{ID}", {"content": "ho"}), 200, {"seq": 7}, ("edit", "ann", 7, "ho")),
        (("DELETE", f"messages/{ID}", None), 204, None, ("delete", "ann", 7)),
        (
            ("POST", f"messages/{ID}/reactions", {"emoji": "👍"}),
            200,
            {"reactions": {"👍": ["ann"]}},
            ("react", "ann", 7, "👍", None),
        ),
        (("GET", f"messages/{ID}/edits", None), 200, {"versions": []}, ("versions", "ann", 7)),
    ],
)
def test_it_is_done_and_told(route: tuple[str, str, Any], status: int, told: Any, done: Any) -> None:
    desk = Desk()
    response = desk.ask(*route)
    assert (response.status_code, response.get_json(silent=True)) == (status, told)
    assert desk.back.done == [done]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize(
    ("identity", "room", "status"),
    [(None, "room456", 401), (Identity("eve", "Eve"), "room456", 403), (ANN, "r2", 403)],
)
def test_nothing_is_done_for_a_stranger(
    method: str, path: str, body: Any, identity: Identity | None, room: str, status: int
) -> None:
    desk = Desk()
    desk.identity = identity
    response = desk.ask(method, path.format(room=room, id=f"{room}.7.abcd1234"), body)
    assert (response.status_code, desk.back.done) == (status, [])


@pytest.mark.parametrize(
    ("path", "deed"), [("rooms/room456/messages", "page"), (f"messages/{ID}/edits", "versions")]
)
def test_nothing_is_told_to_who_was_removed_while_it_was_read(path: str, deed: str) -> None:
    desk = Desk()
    desk.back.removed_by = deed
    assert desk.ask("GET", path).status_code == 403
    assert [each[0] for each in desk.back.done] == [deed]
