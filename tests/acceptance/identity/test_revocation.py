"""A revoked user is gone everywhere within a second, whatever was lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest
import redis
import requests
from websockets.exceptions import InvalidStatus

from tests.support.chat_client import Refused
from tests.support.chat_system import ROOT, LoneServer
from tests.support.identities import ISSUED, JWT, ends
from tests.support.issuer import SECRET
from tests.support.valkey import ValkeyProcess


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
        guest.ask("heartbeat")
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
