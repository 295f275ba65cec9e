"""Replies are for members, over sockets and over HTTP alike."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g

from chat.errors import NotAMember
from chat.gateway.identity import Identity
from chat.gateway.rest import problems
from chat.gateway.rest import threads as rest_threads
from chat.gateway.threads import ThreadPages
from chat.model.ids import MessageRef
from chat.services.history import Page


class Services:
    """Membership, messages and threads at once; `members` shrinks while a page is read where `is_cut`."""

    def __init__(self) -> None:
        self.members, self.is_cut = {"ann"}, False
        self.asked: list[tuple[MessageRef, int, int]] = []

    def require(self, _room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        if user_id not in self.members:
            raise NotAMember("no", field="roomId")

    def find(self, _ref: MessageRef) -> None: ...

    def page(self, ref: MessageRef, limit: int, after: int) -> Page:
        self.asked.append((ref, limit, after))
        if self.is_cut:
            self.members.clear()
        return Page([b'{"seq":4}'], True)


def asking(services: Any, user_id: str | None, query: str = "") -> tuple[int, Any]:
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    app.register_blueprint(rest_threads.blueprint(ThreadPages(services, services, services)))

    @app.before_request
    def identify() -> None:
        g.identity = Identity(user_id, user_id) if user_id else None

    answer = app.test_client().get(f"/api/v1/messages/r.3.e/replies{query}")
    return answer.status_code, answer.get_json(force=True)


def test_a_member_gets_a_page() -> None:
    services = Services()
    assert asking(services, "ann", "?limit=7&after=3") == (200, {"messages": [{"seq": 4}], "has_more": True})
    assert services.asked == [(MessageRef("r", 3, "e"), 7, 3)]
    asking(services, "ann")
    assert services.asked[1][1:] == (50, 0)


@pytest.mark.parametrize(("user_id", "status"), [(None, 401), ("eve", 403)])
def test_nobody_else_does(user_id: str | None, status: int) -> None:
    services = Services()
    assert asking(services, user_id)[0] == status
    assert services.asked == []


def test_who_is_removed_meanwhile_gets_nothing() -> None:
    services = Services()
    services.is_cut = True
    assert asking(services, "ann")[0] == 403


@pytest.mark.parametrize("query", ["?limit=0", "?limit=201", "?after=x"])
def test_a_wrong_query_is_named(query: str) -> None:
    status, problem = asking(Services(), "ann", query)
    assert (status, problem["field"]) == (400, query[1:].split("=")[0])
