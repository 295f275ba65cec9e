"""Pins over HTTP: what is asked of the service, and how it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, g

from chat.errors import NotAMember
from chat.gateway.identity import Identity
from chat.gateway.rest import pins as rest_pins
from chat.gateway.rest import problems
from chat.model.ids import MessageRef
from chat.model.room import Pin
from chat.services.pins import Pinned

PIN = Pin("ann", "then")
TOLD = {"message_id": "g.3.e", "pinned_by": "ann", "pinned_at": "then"}


class Services:
    """Membership and pins at once; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, MessageRef]] = []
        self.members = {"ann"}
        self.on_read: Callable[[], None] = lambda: None

    def require(self, _room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        if user_id not in self.members:
            raise NotAMember("no", field="roomId")

    def of_room(self, _room_id: str) -> list[Pinned]:
        self.on_read()
        return [Pinned("g.3.e", PIN, b'{"seq":3}')]

    def pin(self, room_id: str, user_id: str, ref: MessageRef) -> Pin:
        self.asked.append(("pin", room_id, user_id, ref))
        return PIN

    def unpin(self, room_id: str, user_id: str, ref: MessageRef) -> None:
        self.asked.append(("unpin", room_id, user_id, ref))


def asking(services: Any, method: str, path: str, user_id: str | None = "ann") -> tuple[int, Any]:
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    app.register_blueprint(rest_pins.blueprint(services, services))

    @app.before_request
    def identify() -> None:
        g.identity = Identity(user_id, user_id) if user_id else None

    answer = app.test_client().open(f"/api/v1/rooms/{path}", method=method)
    return answer.status_code, answer.get_json(force=True) if answer.data else None


def test_no_pins_are_told_to_who_was_removed_while_they_were_read() -> None:
    services = Services()
    services.on_read = services.members.clear
    assert asking(services, "GET", "g/pins")[0] == 403


def test_pins_are_listed_set_and_taken_away() -> None:
    services = Services()
    assert asking(services, "GET", "g/pins") == (200, {"pins": [{**TOLD, "message": {"seq": 3}}]})
    assert asking(services, "PUT", "g/pins/g.3.e") == (200, TOLD)
    assert asking(services, "DELETE", "g/pins/g.3.e") == (204, None)
    ref = MessageRef("g", 3, "e")
    assert services.asked == [("pin", "g", "ann", ref), ("unpin", "g", "ann", ref)]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_nobody_is_refused(method: str) -> None:
    services = Services()
    assert asking(services, method, "g/pins" + ("" if method == "GET" else "/g.3.e"), None)[0] == 401
    assert services.asked == []


def test_only_members_see_pins() -> None:
    assert asking(Services(), "GET", "g/pins", "eve")[0] == 403


@pytest.mark.parametrize(("path", "field"), [("b@d/pins/g.3.e", "roomId"), ("g/pins/nonsense", "messageId")])
def test_what_is_no_id_is_named(path: str, field: str) -> None:
    status, problem = asking(Services(), "PUT", path)
    assert (status, problem["field"]) == (400, field)
