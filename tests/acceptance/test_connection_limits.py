"""How many connections one user and one address may have, and how many requests a user makes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chat_system import LoneServer
from tests.support.valkey import ValkeyProcess

LIMITS = {"AUTH_MODE": "dev", "MAX_SOCKETS_PER_USER": "3", "MAX_SOCKETS_PER_ADDRESS": "2", "MAX_REST_PER_S": "1"}


@pytest.fixture(scope="module")
def server() -> Iterator[LoneServer]:
    proxies = {"TRUSTED_PROXIES": "127.0.0.1", "MAX_MESSAGES_PER_S": "0"}
    with ValkeyProcess() as redis, LoneServer(redis.url, {**LIMITS, **proxies}) as lone:
        yield lone


def test_a_user_s_next_connection_is_closed_when_there_are_too_many(server: LoneServer) -> None:
    token = server.token("ann")
    clients = [server.client(token) for _ in range(3)]
    refused = server.client(token)
    assert refused.until_closed() == 4504
    [told] = refused.of("closing")
    assert (told["code"], told["retry"]) == (4504, False)
    assert "3 connections a user" in told["reason"]
    clients[0].close()
    assert server.client(token).user_id == "ann"


def test_an_address_behind_a_proxy_is_limited_when_loopback_is_not(server: LoneServer) -> None:
    for _ in range(4):
        server.client()  # from loopback, in dev mode
    there = {"X-Forwarded-For": "203.0.113.9"}
    for _ in range(2):
        server.client(headers=there)
    refused = server.client(headers=there)
    assert refused.until_closed() == 4504
    server.client(headers={"X-Forwarded-For": "203.0.113.10"})


def test_requests_are_refused_with_the_time_to_wait_when_they_come_too_fast(server: LoneServer) -> None:
    token = server.token("bob")
    answers = [server.post("/api/v1/rooms", {"members": []}, token) for _ in range(8)]
    codes = [answer.status_code for answer in answers]
    assert codes[:2] == [201] * 2  # the burst: two seconds' worth
    assert 429 in codes[2:]
    late = next(answer for answer in answers if answer.status_code == 429)
    assert late.json()["title"] == "rate-limited"
    assert int(late.headers["Retry-After"]) >= 1
