from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g

from chat.broker.revocations import Revocation
from chat.gateway.identity import Identity
from chat.gateway.rest import problems, revocations, tickets


@pytest.fixture
def post():
    """Return a function that posts as somebody and returns status, body and headers."""

    class Desk:
        def issue(self, identity: Identity) -> str:
            return f"for-{identity.user_id}"

        def revoke(self, user_id: str) -> Revocation:
            return Revocation(user_id, 4_000_000_000_000)

    desk: Any = Desk()
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    app.register_blueprint(tickets.blueprint(desk))
    app.register_blueprint(revocations.blueprint(desk))

    def ask(path: str, identity: Identity | None, body: bytes = b"") -> Any:
        @app.before_request
        def identify() -> None:
            g.identity = identity

        response = app.test_client().post(f"/api/v1/{path}", data=body)
        return response.status_code, response.get_json(force=True), response.headers

    return ask


def test_a_ticket_is_issued_when_one_is_known(post):
    status, told, headers = post("ws-ticket", Identity("ann", "Ann"))
    assert (status, told) == (200, {"ticket": "for-ann", "expires_in": 30})
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["ws-ticket", "admin/revocations"])
def test_nothing_is_done_when_one_is_not_known(post, path):
    status, told, headers = post(path, None, b'{"user_id":"ann"}')
    assert (status, told["title"], headers["WWW-Authenticate"]) == (401, "unauthenticated", "Bearer")


@pytest.mark.parametrize("body", [b'{"user_id":"eve"}', b'{"userId":"eve","why":"spam"}'])
def test_a_user_is_revoked_when_an_admin_asks(post, body):
    status, told, _ = post("admin/revocations", Identity("root", "Root", is_admin=True), body)
    assert (status, told) == (201, {"user_id": "eve", "revoked_at": "2096-10-02T07:06:40.000Z"})


def test_nobody_is_revoked_when_somebody_else_asks(post):
    status, told, _ = post("admin/revocations", Identity("ann", "Ann"), b'{"user_id":"eve"}')
    assert (status, told["title"]) == (403, "forbidden")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"user_id":"a b"}', b'{"user_id":7}', b"[" * 50_000])
def test_the_field_is_named_when_no_user_is_named(post, body):
    status, told, _ = post("admin/revocations", Identity("root", "Root", is_admin=True), body)
    assert (status, told["title"], told["field"]) == (400, "invalid", "user_id")
