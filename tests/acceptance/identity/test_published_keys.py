"""Keys that an issuer publishes, changes, withdraws or can't give while servers run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.chat_client import ChatClient
from tests.support.chat_system import LoneServer
from tests.support.identities import ends
from tests.support.issuer import KeyIssuer, jwk, new_rsa
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

REFETCH_S = 0.5
HANGS_S = 60  # an issuer, when a test forgot to let it go on


@pytest.fixture(scope="module")
def believer(valkey: ValkeyProcess) -> Iterator[tuple[KeyIssuer, LoneServer]]:
    """A server that believes published keys and asks for unknown ones every REFETCH_S, and their issuer."""
    with KeyIssuer() as issuer:
        environ = {"AUTH_MODE": "jwt", "AUTH_JWKS_URL": issuer.url, "AUTH_JWKS_REFETCH_S": str(REFETCH_S)}
        with LoneServer(valkey.url, environ) as server:
            yield issuer, server


@pytest.fixture
def keys(believer: tuple[KeyIssuer, LoneServer]) -> KeyIssuer:
    return believer[0]


@pytest.fixture
def trusting(believer: tuple[KeyIssuer, LoneServer]) -> Iterator[LoneServer]:
    """The server, which knows the issuer's first two keys; the issuer is as it was in the beginning."""
    issuer, server = believer
    issuer.reset()
    eventually(lambda: status(server, issuer.token("unknown")) == 401 and status(server, issuer.token()) == 200)
    yield server
    server.close_clients()


def status(server: LoneServer, token: str) -> int:
    return server.post("/api/v1/ws-ticket", {}, token).status_code


def test_keys_change_and_go_while_the_server_runs(trusting: LoneServer, keys: KeyIssuer) -> None:
    second = new_rsa()
    before, after = keys.token(), keys.token("rsa-2", key=second)
    assert (status(trusting, before), status(trusting, after)) == (200, 401)
    keys.published.append(jwk(second, "rsa-2"))
    assert eventually(lambda: status(trusting, after) == 200, 3, 0.05)
    assert status(trusting, before) == 200
    del keys.published[0]
    eventually(lambda: status(trusting, keys.token("unknown")) == 401 and status(trusting, before) == 401, 3, 0.05)
    assert status(trusting, after) == 200


def test_unknown_keys_are_asked_for_once_in_a_while(trusting: LoneServer, keys: KeyIssuer) -> None:
    start, asked, tried = time.monotonic(), keys.asked, 0
    while tried <= 20 or time.monotonic() < start + 2 * REFETCH_S + 0.2:
        tried += 1
        assert status(trusting, keys.token(f"unknown-{tried}")) == 401
    assert 2 <= keys.asked - asked <= 1 + (time.monotonic() - start) / REFETCH_S
    asked = keys.asked
    for token in (keys.token(), keys.token("ec-1", "ES256"), keys.token(alg="RS384"), "garbage"):
        status(trusting, token)
    assert keys.asked == asked  # what is known, or can't be there, asks for nothing


def test_known_keys_go_on_when_the_issuer_is_down(trusting: LoneServer, keys: KeyIssuer) -> None:
    def not_found(request: Any) -> None:
        request.send_error(404)

    def elsewhere(request: Any) -> None:
        request.send_response(302)
        request.send_header("Location", decoy.url)
        request.end_headers()

    def no_keys(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b"<html>")

    def too_much(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b'{"keys": [], "x": "' + b"x" * 300_000 + b'"}')

    with KeyIssuer() as decoy:
        for answer in (not_found, elsewhere, no_keys, too_much):
            keys.answer = answer
            asked = keys.asked
            eventually(lambda: status(trusting, keys.token("unknown")) == 401 and keys.asked > asked, 3, 0.05)  # noqa: B023
            assert status(trusting, keys.token()) == 200, answer
        assert decoy.asked == 0
    keys.stop()
    eventually(lambda: status(trusting, keys.token("unknown")) == 401 and "refused" in trusting.output, 3, 0.1)
    assert status(trusting, keys.token()) == 200
    assert trusting.client(keys.token(), in_subprotocol=True).user_id == "ann"


def test_a_slow_issuer_holds_up_only_those_who_need_it(trusting: LoneServer, keys: KeyIssuer) -> None:
    is_over = threading.Event()

    def hang(_: Any) -> None:
        is_over.wait(HANGS_S)

    keys.answer = hang
    asked = keys.asked

    def one_that_waits() -> ChatClient | None:
        client = trusting.client()
        client.send("authenticate", {"token": keys.token("unknown")}, "slow")
        eventually(lambda: keys.asked > asked or client.events)  # the last fetch may have been a moment ago
        return None if client.events else client

    slow = eventually(one_that_waits)
    assert slow is not None
    client = trusting.client(keys.token())
    for _ in range(20):
        client.ask("heartbeat")
    assert not slow.events  # all of that while it waited
    assert ends(slow)[0] == 4500
    is_over.set()


def test_nobody_is_refused_for_good_when_the_keys_could_never_be_fetched(valkey: ValkeyProcess) -> None:
    issuer = KeyIssuer()
    environ = {"AUTH_MODE": "jwt", "AUTH_JWKS_URL": issuer.url, "AUTH_JWKS_REFETCH_S": str(REFETCH_S)}
    with LoneServer(valkey.url, environ) as server:
        assert status(server, issuer.token()) == 503
        with pytest.raises(InvalidStatus) as refused:
            server.client(issuer.token())
        assert refused.value.response.status_code == 503
        client = server.client()
        client.send("authenticate", {"token": issuer.token()}, "me")
        assert client.until_closed() == 1011
        with issuer:
            assert eventually(lambda: status(server, issuer.token()) == 200, 5, 0.1)
