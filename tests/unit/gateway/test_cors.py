"""Which pages may read what the API answers."""

from __future__ import annotations

import pytest
from flask import Flask

from chat.gateway import cors
from chat.gateway.identity.origins import check_origin
from chat.gateway.rest import problems

FRIEND = "https://friend.example"


@pytest.fixture
def client():
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    cors.install(app, (FRIEND,))
    app.add_url_rule("/api/v1/rooms", "rooms", lambda: "made", methods=["POST"])
    app.add_url_rule("/page", "page", lambda: "page")
    return app.test_client()


@pytest.mark.parametrize("origin", [FRIEND, "http://localhost", "https://localhost"])
def test_a_page_may_ask_and_read_when_its_origin_is_allowed(client, origin):
    check_origin(origin, "localhost", (FRIEND,))
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = client.options("/api/v1/rooms", headers=asked)
    answer = client.post("/api/v1/rooms", headers={"Origin": origin})
    assert (preflight.status_code, preflight.data) == (204, b"")
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    for each in (preflight, answer, client.post("/api/v1/nowhere", headers={"Origin": origin})):
        assert each.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in each.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in each.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", f"{FRIEND}.evil.example", f"{FRIEND}, {FRIEND}"]
)
def test_a_page_learns_nothing_when_its_origin_is_not_allowed(client, origin):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = client.options("/api/v1/rooms", headers=asked)
    answer = client.post("/api/v1/rooms", headers={"Origin": origin})
    assert (preflight.status_code, answer.status_code) == (403, 200)
    for each in (preflight, answer):
        assert not [name for name, _ in each.headers if name.startswith("Access-Control")]
        assert "Origin" in each.headers["Vary"]  # no cache hands an allowed page's answer on


def test_nothing_is_said_of_origins_when_it_is_not_about_the_api(client):
    answer = client.get("/page", headers={"Origin": FRIEND})
    assert "Access-Control-Allow-Origin" not in answer.headers
