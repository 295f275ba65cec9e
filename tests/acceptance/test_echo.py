"""`/ws/echo` and the heartbeat, spoken to by the Python `websockets` client, Node's `ws` and raw bytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.chat_system import LoneServer
from tests.support.echo_system import echo_system, echo_url, port_of
from tests.support.raw_client import BINARY, CLOSE, PING, TEXT, RawClient, frame, request

NODE = Path(__file__).resolve().parents[1] / "node"
HAS_NODE = shutil.which("node") is not None and (NODE / "node_modules" / "ws").is_dir()
LIMIT = 65536
PING_S, TIMEOUT_S = 0.5, 2.0


@pytest.fixture(scope="module")
def server() -> Iterator[LoneServer]:
    settings = {"HEARTBEAT_PING_S": str(PING_S), "HEARTBEAT_TIMEOUT_S": str(TIMEOUT_S)}
    with echo_system(**settings) as running:
        yield running
        assert "Traceback" not in running.output


def opened(server: LoneServer, **options) -> ClientConnection:
    return connect(echo_url(server), proxy=None, **options)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, LIMIT])
def test_message_comes_back_unchanged_whatever_its_kind_and_size(server: LoneServer, size: int) -> None:
    with opened(server) as client:
        for message in ("x" * size, os.urandom(size), "ö" * (size // 2)):
            client.send(message)
            assert client.recv(timeout=10) == message


def test_compression_is_declined(server: LoneServer) -> None:
    with opened(server, compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        client.send("plain")
        assert client.recv(timeout=10) == "plain"


def test_fragments_come_back_as_one_message(server: LoneServer) -> None:
    with opened(server) as client:
        client.send(["a ", "mess", "age"])
        assert client.recv(timeout=10) == "a message"
        client.send([b"\x00", b"\xff"])
        assert client.recv(timeout=10) == b"\x00\xff"


def test_one_byte_more_than_the_frame_limit_is_1009(server: LoneServer) -> None:
    with opened(server) as client:
        client.send(b"x" * (LIMIT + 1))
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert client.close_code == 1009


def test_many_messages_at_once_come_back_in_order(server: LoneServer) -> None:
    with opened(server) as client:
        for number in range(1500):
            client.send(str(number))
        assert [client.recv(timeout=10) for _ in range(1500)] == [str(number) for number in range(1500)]


def test_flood_is_told_before_4008(server: LoneServer) -> None:
    with RawClient(port_of(server)) as raw:
        raw.open("/ws/echo")
        raw.send(frame(BINARY) * 5000)
        opcode, payload = raw.receive()
        while opcode == BINARY:
            opcode, payload = raw.receive()
        assert json.loads(payload)["data"] | {"afterMs": 0} == {
            "code": 4008,
            "reason": "too many frames",
            "retry": True,
            "afterMs": 0,
        }
        assert raw.receive_close() == 4008
        assert raw.is_ended()


@pytest.mark.skipif(not HAS_NODE, reason="needs node and `npm ci --prefix tests/node`")
def test_node_s_ws_gets_all_of_it_back(server: LoneServer) -> None:
    command = ["node", "echo.mjs", echo_url(server), str(LIMIT)]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {
        "same": told["messages"],
        "messages": 14,
        "pongs": 1,
        "extensions": "",
        "code": 1000,
        "fragments": "in three fragments",
    }


def test_there_is_no_echo_without_dev_mode() -> None:
    with echo_system(AUTH_MODE="jwt", AUTH_SECRET="s" * 40) as server:
        with pytest.raises(InvalidStatus) as caught:
            opened(server)
        assert caught.value.response.status_code == 404
        with RawClient(port_of(server)) as raw:  # and no second request is answered on that connection
            raw.send(request("/ws/echo") + b"GET /healthz HTTP/1.1\r\nHost: chat\r\n\r\n")
            status, headers = raw.head()
            assert status == 404
            raw.stream.read(int(headers["content-length"]))
            assert raw.is_ended()


def test_origin_is_checked_for_the_echo_too(server: LoneServer) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opened(server, origin="https://evil.example")
    assert caught.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/ws", "/ws/echo"])
def test_silent_peer_is_pinged_then_told_and_closed_with_4005(server: LoneServer, path: str) -> None:
    with RawClient(port_of(server)) as raw:
        raw.open(path)
        started = time.monotonic()
        pings, told = 0, b""
        while True:
            opcode, payload = raw.receive()
            if opcode == CLOSE:
                break
            pings += opcode == PING
            told = payload if opcode == TEXT else told
        took = time.monotonic() - started
        raw.send(frame(CLOSE, payload[:2]))
        assert raw.is_ended()
    assert int.from_bytes(payload[:2]) == 4005
    event = json.loads(told)
    assert (event["event"], event["data"]["code"], event["data"]["retry"]) == ("closing", 4005, True)
    assert pings == 3
    assert TIMEOUT_S - 0.1 <= took < TIMEOUT_S + 1.5


def test_any_byte_is_life(server: LoneServer) -> None:
    drip = frame(TEXT, b'{"event":"heartbeat"}')
    with RawClient(port_of(server)) as raw:
        raw.open("/ws")
        until = time.monotonic() + 1.5 * TIMEOUT_S
        for byte in drip[:-1]:
            raw.send(bytes((byte,)))  # a frame that is not complete for longer than the timeout
            while time.monotonic() < until:
                if raw.receive()[0] == PING:
                    break
        assert time.monotonic() >= until
        raw.send(drip[-1:])
        opcode, payload = raw.receive()
        while opcode == PING:
            opcode, payload = raw.receive()
        assert json.loads(payload)["event"] == "heartbeat"


def test_client_that_answers_pings_stays(server: LoneServer) -> None:
    with opened(server, ping_interval=None) as client:
        with pytest.raises(TimeoutError):
            client.recv(timeout=2 * TIMEOUT_S)
        client.send("still here")
        assert client.recv(timeout=10) == "still here"
