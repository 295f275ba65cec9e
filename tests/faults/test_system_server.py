"""A web server of its own that is stopped, or whose Redis goes away."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator

import pytest
import requests

from tests.support.chat_client import Refused
from tests.support.chat_system import LoneServer, room_name
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

pytestmark = pytest.mark.fault
STOP_LIMIT_S = 10
DEV = {"AUTH_MODE": "dev"}


@pytest.fixture
def valkey() -> Iterator[ValkeyProcess]:
    with ValkeyProcess(aof=True) as valkey:
        yield valkey


def test_every_client_is_told_when_the_server_is_stopped(valkey: ValkeyProcess) -> None:
    room = room_name()
    with LoneServer(valkey.url, DEV) as server:
        clients = [server.client() for _ in range(30)]
        for each in clients:
            each.join(room)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_LIMIT_S) == 0
        took_s = time.monotonic() - start
        delays = []
        for each in clients:
            assert each.until_closed() == 1001
            assert each.events[-1]["event"] == "server-leaving"
            delays.append(each.events[-1]["data"]["reconnectInMs"])
        print(f"\nexit after {took_s:.2f} s, told to come back after {min(delays)} to {max(delays)} ms")
        assert len(set(delays)) > 15, "all would come back at once"
        assert "Traceback" not in server.output


def test_the_server_exits_in_time_when_a_client_does_not_leave(valkey: ValkeyProcess) -> None:
    with LoneServer(valkey.url, DEV) as server, socket.create_connection(server.address) as stubborn:
        stubborn.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert stubborn.recv(12) == b"HTTP/1.1 101"
        eventually(lambda: server.stats()["totalSockets"] == 1)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_LIMIT_S) == 0
        print(f"\nexit after {time.monotonic() - start:.2f} s")


def test_the_server_says_what_is_missing_and_heals_when_redis_goes_and_comes(valkey: ValkeyProcess) -> None:
    room = room_name()
    with LoneServer(valkey.url, DEV) as server:
        client, listener = server.client(), server.client()
        for each in (client, listener):
            each.join(room)
        client.say(room, "before", "t-0")
        valkey.kill()

        answer = requests.get(f"{server.url}/readyz", timeout=10)
        assert answer.status_code == 503
        assert {"redis", "broker"} == answer.json()["reasons"].keys()
        assert all(answer.json()["reasons"].values())
        assert requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
        start = time.monotonic()
        with pytest.raises(Refused) as refused:
            client.say(room, "meanwhile", "t-1")
        print(f"\nrefused after {time.monotonic() - start:.2f} s")
        assert time.monotonic() - start < 6
        assert refused.value.code == "unavailable"
        [failed] = client.of("message-failed")
        assert (failed["tempId"], failed["error"]["retryable"]) == ("t-1", True)

        valkey.start()
        start = time.monotonic()
        eventually(server.is_ready, 10)
        print(f"ready {time.monotonic() - start:.2f} s after Redis")
        assert client.say(room, "again", "t-1")["seq"] == 2
        listener.until(lambda: listener.seqs(room) == [1, 2])
        assert client.close_code is None
