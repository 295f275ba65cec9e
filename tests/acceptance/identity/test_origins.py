"""Pages of other origins, and what of a request is in the log."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
import requests

from tests.support.chat_system import LoneServer
from tests.support.handmade import upgrade
from tests.support.identities import FRIEND, ISSUED
from tests.support.issuer import SECRET


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
