"""Who a request is from, decided before anything answers it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g

from chat.errors import OriginRefused, Unauthenticated
from chat.gateway.gate import Gate
from chat.gateway.identity import Authenticator

SECRET = "a secret of more than thirty-two bytes"
UPGRADE = {"Upgrade": "WebSocket", "Connection": "Upgrade"}


def admitted(path: str, headers: dict[str, str], is_dev: bool = False) -> Any:
    """Return `g.identity` after the gate; the ticket box knows the ticket `ok` alone."""

    class Tickets:
        def redeem(self, ticket: str) -> str:
            if ticket != "ok":
                raise Unauthenticated("no such ticket", field="ticket")
            return "holder"

    unused: Any = None
    tickets: Any = Tickets()
    gate = Gate(Authenticator(SECRET, is_dev), ("https://friend.example",), tickets, unused, unused)
    app = Flask(__name__, static_folder=None)
    for route in ("/ws", "/api/v1/rooms", "/page"):
        app.add_url_rule(route, route, lambda: "")
    with app.test_request_context(path, headers=headers):
        gate.admit()
        return g.identity


def test_a_socket_waits_when_it_shows_nothing_and_tokens_are_asked_for():
    assert admitted("/ws", UPGRADE) is None


def test_a_socket_is_a_guest_when_nothing_is_asked_for():
    assert admitted("/ws", UPGRADE, is_dev=True).is_guest


@pytest.mark.parametrize("is_dev", [False, True])
def test_a_request_is_nobody_when_it_shows_nothing(is_dev):
    assert admitted("/api/v1/rooms", {}, is_dev) is None
    assert admitted("/api/v1/rooms", UPGRADE, is_dev) is None  # an Upgrade makes no guest there
    assert admitted("/page?token=x", {}, is_dev) is None


def test_a_ticket_opens_a_socket_and_nothing_else():
    assert admitted("/ws?ticket=ok", UPGRADE) == "holder"
    assert admitted("/api/v1/rooms?ticket=ok", {}) is None


@pytest.mark.parametrize("is_dev", [False, True])
@pytest.mark.parametrize(
    "query", ["ticket=no", "ticket=", "ticket=ok&ticket=ok", "token=x", "ticket=ok&access_token=x"]
)
def test_a_socket_is_refused_when_its_address_shows_something_wrong(query, is_dev):
    with pytest.raises(Unauthenticated):
        admitted(f"/ws?{query}", UPGRADE, is_dev)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_a_socket_is_refused_when_its_page_is_a_strangers(origin):
    with pytest.raises(OriginRefused):
        admitted("/ws?token=x", {**UPGRADE, "Origin": origin})
    assert admitted("/api/v1/rooms", {"Origin": origin}) is None
    assert admitted("/ws", {**UPGRADE, "Origin": "https://friend.example"}) is None


def test_a_page_that_is_not_there_asks_for_nothing():
    assert admitted("/nowhere?token=x", {**UPGRADE, "Authorization": "Bearer garbage"}) is None


def test_the_header_counts_when_there_is_a_ticket_too():
    token = Authenticator(SECRET, True).mint("ann", "Ann")
    assert admitted("/ws?ticket=no", {**UPGRADE, "Authorization": f"Bearer {token}"}).user_id == "ann"
