"""`GET /api/v1/presence`: what is asked for is checked before anything is read."""

from __future__ import annotations

import pytest
from flask import Flask, g

from chat.gateway.identity import Identity
from chat.gateway.rest import presence as rest_presence
from chat.gateway.rest import problems


class Eyes:
    """Sees everybody online."""

    def look(self, user_id, room_ids, asked):
        return {"users": {each: {"isOnline": True, "lastSeen": user_id} for each in asked}}


@pytest.fixture
def client():
    app = Flask(__name__)
    problems.install(app)
    app.identity = Identity("ann", "Ann")  # type: ignore[attr-defined]

    @app.before_request
    def admit() -> None:
        g.identity = app.identity  # type: ignore[attr-defined]

    app.register_blueprint(rest_presence.blueprint(Eyes()))  # type: ignore[arg-type]
    return app.test_client()


@pytest.mark.parametrize("name", ["userIds", "user_ids"])
def test_each_named_user_is_told_of(client, name):
    told = client.get(f"/api/v1/presence?{name}=bob,cleo")
    assert told.status_code == 200
    assert told.json == {"users": {each: {"isOnline": True, "lastSeen": "ann"} for each in ("bob", "cleo")}}
    assert told.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "field", "mend"),
    [
        ("", "userIds", "add ?userIds=a,b"),
        ("?userIds=a,b%20c", "userIds", "A-Z a-z"),
        ("?user_ids=a:b", "user_ids", "A-Z a-z"),
        ("?userIds=" + ",".join(f"u{n}" for n in range(201)), "userIds", "at most 200"),
    ],
)
def test_field_and_mend_are_named_when_the_request_is_wrong(client, query, field, mend):
    told = client.get(f"/api/v1/presence{query}")
    assert (told.status_code, told.json["field"]) == (400, field)
    assert mend in told.json["detail"]


def test_a_token_is_wanted(client):
    client.application.identity = None
    assert client.get("/api/v1/presence?userIds=a").status_code == 401


def test_nobody_is_told_of_when_nobody_is_named(client):
    assert client.get("/api/v1/presence?userIds=").json == {"users": {}}
