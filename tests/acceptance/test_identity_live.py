"""What happens to identities while connections live: first frames, ends of tokens, revocations, new keys."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
import requests
from websockets.exceptions import InvalidStatus

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ROOT, LoneServer
from tests.support.issuer import SECRET, KeyIssuer, SecretIssuer, jwk, new_rsa
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

FRIEND = "https://friend.example"
JWT = {"AUTH_MODE": "jwt", "AUTH_SECRET": SECRET, "ALLOWED_ORIGINS": FRIEND, "LOG_LEVEL": "DEBUG"}
ISSUED = SecretIssuer()
REFETCH_S = 0.5
HANGS_S = 60  # an issuer, when a test forgot to let it go on


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyProcess]:
    with ValkeyProcess() as running:
        yield running


@pytest.fixture(scope="module")
def pair(valkey: ValkeyProcess) -> Iterator[list[LoneServer]]:
    """Two servers of one system."""
    with LoneServer(valkey.url, JWT) as one, LoneServer(valkey.url, JWT) as two:
        yield [one, two]


@pytest.fixture
def servers(pair: list[LoneServer]) -> Iterator[list[LoneServer]]:
    yield pair
    for each in pair:
        each.close_clients()


@pytest.fixture
def server(servers: list[LoneServer]) -> LoneServer:
    return servers[0]


@pytest.fixture
def user_id() -> str:
    """Somebody whom no other test revokes."""
    return f"user-{time.time_ns()}"


def ends(client: ChatClient) -> tuple[int, dict[str, Any]]:
    code = client.until_closed()
    last = client.events[-1]
    assert last["event"] == "closing"
    assert last["data"]["code"] == code
    assert last["data"]["retry"] == (code < 4500)
    return code, last["data"]


# --- the first frame


def test_a_socket_that_says_nothing_is_closed_after_five_seconds(server: LoneServer) -> None:
    start = time.monotonic()
    client = server.client()
    code, told = ends(client)
    assert (code, told["reason"]) == (4502, "no authentication in time")
    assert 4.9 < time.monotonic() - start < 6.5
    assert [each["event"] for each in client.events] == ["closing"]


def test_nothing_is_served_before_the_user_is_known(server: LoneServer, user_id: str) -> None:
    client = server.client()
    asked: dict[str, dict[str, Any]] = {
        "join-chat-rooms": {"roomIds": ["r"]},
        "send-chat-message": {"roomId": "r", "content": "hi"},
    }
    for event, data in asked.items():
        with pytest.raises(Refused) as refused:
            client.ask(event, data)
        assert (refused.value.code, refused.value.field) == ("unauthenticated", "event")
    client.send("get-messages", {"roomId": "r"})
    [error] = client.until(lambda: client.of("error"))
    assert (error["code"], error["event"]) == ("unauthenticated", "get-messages")
    assert client.ask("authenticate", {"token": ISSUED.token(sub=user_id)})["userId"] == user_id
    assert [each["event"] for each in client.events].count("welcome") == 1


@pytest.mark.parametrize("frame", ["no json", b"\x00\x01", '{"event":"fly"}', "{}"])
def test_a_stranger_that_talks_nonsense_is_sent_away(server: LoneServer, frame: str | bytes) -> None:
    client = server.client()
    for _ in range(5):
        client.send_raw(frame)
    assert ends(client)[0] == 4501
    assert len(client.of("error")) == 5


def test_a_stranger_s_frame_is_at_most_four_kilobytes(server: LoneServer, user_id: str) -> None:
    client = server.client()
    client.send("authenticate", {"token": "x" * 4096})
    assert client.until_closed() == 1009
    known = server.client(ISSUED.token(sub=user_id))
    known.ask("heartbeat", {"padding": "x" * 20_000})
    late = server.client()
    late.ask("authenticate", {"token": ISSUED.token(sub=user_id)})
    late.ask("heartbeat", {"padding": "x" * 20_000})


def test_what_is_sent_behind_the_first_frame_is_served_after_it_in_order(server: LoneServer, user_id: str) -> None:
    token = ISSUED.token(sub=user_id)
    with socket.create_connection(server.address) as raw:
        raw.sendall(upgrade("Host: x\r\n") + b"".join([
            masked({"event": "authenticate", "data": {"token": token}, "ack": 1}),
            *(masked({"event": "heartbeat", "ack": number}) for number in range(2, 30)),
        ]))  # fmt: skip
        acks = [frame["data"]["ack"] for frame in frames_of(raw, 29 * 2) if frame["event"] == "ack"]
    assert acks == list(range(1, 30))


def test_a_frame_without_ack_is_refused_with_an_error_and_the_close(server: LoneServer) -> None:
    client = server.client()
    client.send("authenticate", {"token": "no-token"})
    assert ends(client)[0] == 4500
    assert [each["event"] for each in client.events] == ["error", "closing"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_stranger_s_origin_is_checked_before_the_upgrade(server: LoneServer, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        server.client(origin=origin)
    assert refused.value.response.status_code == 403


# --- the end of a token


def test_a_token_is_announced_to_end_and_then_ends_its_connection(server: LoneServer, user_id: str) -> None:
    ends_s = int(time.time()) + 2
    client = server.client(ISSUED.token(sub=user_id, exp=ends_s))
    [told] = client.until(lambda: client.of("auth-expiring"), 1)
    assert 0 < told["expiresInMs"] <= 2000
    assert ends(client)[0] == 4002
    assert -0.1 < time.time() - ends_s < 1.5
    assert [each["event"] for each in client.events] == ["welcome", "auth-expiring", "closing"]


def test_a_token_is_announced_to_end_a_minute_before(server: LoneServer, user_id: str) -> None:
    client = server.client(ISSUED.token(sub=user_id, exp=int(time.time()) + 62))
    assert client.user_id == user_id
    assert not client.of("auth-expiring")
    [told] = client.until(lambda: client.of("auth-expiring"), 4)
    assert 58_000 < told["expiresInMs"] <= 60_000


def test_a_fresh_token_lets_the_connection_live_on(server: LoneServer, user_id: str) -> None:
    ends_s = int(time.time()) + 2
    client = server.client(ISSUED.token(sub=user_id, exp=ends_s))
    told = client.ask("authenticate", {"token": ISSUED.token(sub=user_id, exp=4_000_000_000)})
    assert told == {"userId": user_id, "expiresAt": "2096-10-02T07:06:40.000Z"}
    client.ask("authenticate", {"token": ISSUED.token(sub=user_id, exp=int(time.time()) + 30)})
    client.until(lambda: len(client.of("auth-expiring")) == 2)  # once for each token
    same = ISSUED.token(sub=user_id, exp=int(time.time()) + 40)
    for _ in range(3):
        client.ask("authenticate", {"token": same})
    eventually(lambda: time.time() > ends_s + 1.5, 10)  # the first token's end is past
    client.ask("heartbeat")
    assert len(client.of("auth-expiring")) == 3
    assert client.close_code is None


def test_another_user_s_token_changes_nothing(server: LoneServer, user_id: str) -> None:
    client = server.client(ISSUED.token(sub=user_id, exp=int(time.time()) + 1))
    with pytest.raises(Refused) as refused:
        client.ask("authenticate", {"token": ISSUED.token(sub="somebody-else")})
    assert (refused.value.code, refused.value.field) == ("unauthenticated", "token")
    assert ends(client)[0] == 4002  # at the end of its own token


# --- revocation


def revoke(server: LoneServer, user_id: Any, **claims: Any) -> requests.Response:
    admin = ISSUED.token(**{"sub": "root", "admin": True, **claims})
    return server.post("/api/v1/admin/revocations", {"user_id": user_id}, admin)


def test_a_revoked_user_is_gone_everywhere_within_a_second(servers: list[LoneServer], user_id: str) -> None:
    token = ISSUED.token(sub=user_id, iat=time.time())
    theirs = [server.client(token) for server in servers for _ in range(3)]
    late = servers[1].client()
    late.ask("authenticate", {"token": token})
    others = [server.client(ISSUED.token(sub="bystander")) for server in servers]
    assert {client.user_id for client in theirs} == {user_id}

    start = time.monotonic()
    answer = revoke(servers[0], user_id)
    assert (answer.status_code, answer.json()["user_id"]) == (201, user_id)
    codes = [ends(client)[0] for client in (*theirs, late)]
    took_s = time.monotonic() - start
    print(f"\n{len(codes)} sockets on 2 servers were closed {took_s * 1000:.0f} ms after the request")
    assert codes == [4503] * 7
    assert took_s < 2

    for server in servers:
        with pytest.raises(InvalidStatus) as refused:
            server.client(token)
        assert refused.value.response.status_code == 401
        assert server.post("/api/v1/ws-ticket", {}, token).status_code == 401
    fresh = ISSUED.token(sub=user_id, iat=time.time())
    for server in servers:
        assert server.client(fresh).user_id == user_id
    for client in others:
        client.ask("heartbeat")


def test_a_revocation_is_found_when_its_publication_was_lost(
    servers: list[LoneServer], valkey: ValkeyProcess, user_id: str
) -> None:
    client = servers[1].client(ISSUED.token(sub=user_id))
    assert client.user_id == user_id
    with redis.Redis.from_url(valkey.url) as store:
        start = time.monotonic()
        store.zadd("chat:revoked", {user_id: int(time.time() * 1000)})
        assert ends(client)[0] == 4503
    print(f"\nclosed {(time.monotonic() - start) * 1000:.0f} ms after a revocation that nobody was told of")
    assert time.monotonic() - start < 2


def test_a_revocation_holds_when_redis_is_gone(servers: list[LoneServer], user_id: str) -> None:
    with ValkeyProcess() as own, LoneServer(own.url, JWT) as server:
        token = ISSUED.token(sub=user_id, iat=time.time())
        assert revoke(server, user_id).status_code == 201
        own.kill()
        with pytest.raises(InvalidStatus) as refused:
            server.client(token)
        assert refused.value.response.status_code == 401
        assert server.client(ISSUED.token(sub="ben")).user_id == "ben"
        assert revoke(server, "ben").status_code == 503


def test_the_command_revokes(servers: list[LoneServer], valkey: ValkeyProcess, user_id: str) -> None:
    clients = [server.client(ISSUED.token(sub=user_id)) for server in servers]
    assert {client.user_id for client in clients} == {user_id}
    environ = {**os.environ, **JWT, "REDIS_URL": valkey.url}
    command = [sys.executable, "-m", "workers.revoke", user_id]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{user_id} revoked 20")
    assert [ends(client)[0] for client in clients] == [4503, 4503]


def test_a_guest_is_revoked_too(valkey: ValkeyProcess) -> None:
    with LoneServer(valkey.url, {"AUTH_MODE": "dev", "AUTH_SECRET": SECRET}) as server:
        guest, other = server.client(), server.client()
        guest_id = guest.user_id
        with pytest.raises(Refused) as refused:
            guest.ask("authenticate", {"token": server.token(guest_id)})
        assert refused.value.code == "unauthenticated"
        assert revoke(server, guest_id).status_code == 201
        assert ends(guest)[0] == 4503
        other.ask("heartbeat")
        minted = server.token("ann")
        assert server.client(minted).user_id == "ann"
        assert revoke(server, "ann").status_code == 201
        assert server.post("/api/v1/rooms", {}, minted).status_code == 401
        assert server.client(server.token("ann")).user_id == "ann"  # a fresh one, in the same second


@pytest.mark.parametrize(
    ("user", "claims", "status"),
    [
        ("a:b", {}, 400),
        (None, {}, 400),
        ("x" * 65, {}, 400),
        ("ann", {"admin": None}, 403),
        ("ann", {"admin": "true"}, 403),
        ("ann", {"exp": 1}, 401),
    ],
)
def test_a_revocation_is_refused(server: LoneServer, user: Any, claims: dict[str, Any], status: int) -> None:
    answer = revoke(server, user, **claims)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert server.post("/api/v1/admin/revocations", {"user_id": "ann"}).status_code == 401


# --- pages of other origins


@pytest.mark.parametrize(
    ("origin", "is_let"), [(FRIEND, True), ("own", True), ("https://evil.example", False), ("null", False)]
)
def test_only_allowed_pages_may_read_the_api(server: LoneServer, origin: str, is_let: bool) -> None:
    origin = server.url if origin == "own" else origin
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = requests.options(f"{server.url}/api/v1/rooms", headers=asked, timeout=5)
    answer = requests.post(f"{server.url}/api/v1/rooms", json={}, headers={"Origin": origin}, timeout=5)
    assert answer.status_code == 401
    assert preflight.status_code == (204 if is_let else 403)
    assert ("Authorization" in preflight.headers.get("Access-Control-Allow-Headers", "")) == is_let
    for each in (preflight, answer):
        assert each.headers.get("Access-Control-Allow-Origin") == (origin if is_let else None)
        assert "Origin" in each.headers["Vary"]
    assert (
        "Access-Control-Allow-Origin" not in requests.get(f"{server.url}/healthz", headers=asked, timeout=5).headers
    )


def test_no_page_is_named_when_no_browser_asks(server: LoneServer) -> None:
    answer = server.post("/api/v1/rooms", {})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


# --- the log


def test_no_secret_is_in_the_log_whatever_the_request_looks_like(server: LoneServer, user_id: str) -> None:
    token = ISSUED.token(sub=user_id)
    ticket = server.post("/api/v1/ws-ticket", {}, token).json()["ticket"]
    part = token.split(".")[2]
    broken = [
        f"GET /ws?token={token} HTTP/9.9\r\n\r\n",
        f"GET /ws?ticket={ticket}\r\n\r\n",
        f"POST /ws?ticket={ticket}\r\n\r\n",
        f"GET /ws?ticket={ticket} HTTP/1.1 more words\r\n\r\n",
        f"GET /ws? ticket={ticket} HTTP/1.1\r\n\r\n",
        f"GET /{token} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"{token}\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\nno colon {token}\r\n\r\n",
        f"POST /api/v1/rooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: x\r\n\r\n",
        f"POST /api/v1/rooms HTTP/1.1\r\nHost: x\r\nContent-Length: {token}\r\n\r\n",
        f"POST /api/v1/rooms HTTP/1.1\r\nX: {token}\r\nTransfer-Encoding: chunked\r\n\r\n{token}\r\n",
        upgrade(
            f"Host: x\r\nSec-WebSocket-Protocol: chat.v1, bearer.{token}\r\nOrigin: http://{token}\r\n"
        ).decode(),
        upgrade(f"Host: {token}\r\nSec-WebSocket-Protocol: bearer. {token}\r\n").decode(),
        upgrade(f"Host: x\r\nSec-WebSocket-Protocol: {token}\r\nAuthorization: {token}\r\n").decode(),
    ]
    for request in broken:
        with socket.create_connection(server.address) as raw, suppress(OSError):
            raw.settimeout(5)
            raw.sendall(request.encode())
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
    client = server.client()
    for frame in (f'{{"event":"authenticate","data":{{"token":"{token}"', f'{{"event":"{token}"}}', token):
        client.send_raw(frame)
    client.send("authenticate", {"token": [token]})
    client.until(lambda: len(client.of("error")) == 4)
    assert "http_request_refused" in server.output
    for secret in (part, ticket, SECRET):
        assert secret not in server.output


# --- published keys


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
    while time.monotonic() < start + 2 * REFETCH_S + 0.2:
        tried += 1
        assert status(trusting, keys.token(f"unknown-{tried}")) == 401
    assert tried > 20
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
    start = time.monotonic()
    client = trusting.client(keys.token())
    for _ in range(20):
        client.ask("heartbeat")
    assert time.monotonic() - start < 1
    assert not slow.events
    assert ends(slow)[0] == 4500
    assert 2 < time.monotonic() - start < 5
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


# --- the wire by hand


def upgrade(headers: str) -> bytes:
    fixed = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    return f"GET /ws HTTP/1.1\r\n{fixed}{key}{headers}\r\n".encode()


def masked(frame: dict[str, Any]) -> bytes:
    payload = json.dumps({"data": {}, **frame}).encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
    return head + b"\0\0\0\0" + payload


def frames_of(raw: socket.socket, least: int) -> list[dict[str, Any]]:
    """Return the events that come after the 101 until there are `least` of them."""
    raw.settimeout(10)
    data = b""
    found: list[dict[str, Any]] = []
    while len(found) < least:
        data += raw.recv(65536)
        found, rest = [], data.partition(b"\r\n\r\n")[2]
        while len(rest) >= 4:
            size, start = rest[1], 2
            if size == 126:
                size, start = int.from_bytes(rest[2:4]), 4
            if len(rest) < start + size:
                break
            found.append(json.loads(rest[start : start + size]))
            rest = rest[start + size :]
    return found
