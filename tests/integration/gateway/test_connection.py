"""The detached connection over real sockets: a server process of our own, and clients made of raw bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.raw_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    RawClient,
    frame,
    request,
)
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 70_000


class EchoServer:
    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/state", timeout=5) as answer:
            state: dict[str, Any] = json.load(answer)
            return state

    def logged(self) -> str:
        return self.log.read_text()


@contextmanager
def running_server(log: Path, **settings: float) -> Iterator[EchoServer]:
    port = free_port()
    command = [sys.executable, "-m", "tests.integration.gateway.echo_server", str(port), json.dumps(settings)]
    with log.open("wb") as out:
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out)
    try:
        server = EchoServer(process, port, log)
        eventually(lambda: _answers(server), timeout_s=20)
        yield server
    finally:
        process.kill()
        process.wait()


def _answers(server: EchoServer) -> bool:
    assert server.process.poll() is None, server.logged()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoServer]:
    log = tmp_path_factory.mktemp("echo") / "log"
    # A close timeout longer than a client waits: what ends in these tests ends by itself.
    with running_server(log, frame_limit_bytes=LIMIT, max_frames_per_s=0, close_timeout_s=30) as running:
        yield running


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., EchoServer]]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running_server(tmp_path / "log", **settings))


@pytest.fixture
def client(server: EchoServer) -> Iterator[RawClient]:
    with RawClient(server.port) as raw:
        raw.open()
        yield raw


def test_handshake_answers_chat_v1_alone_and_declines_compression(server: EchoServer) -> None:
    with RawClient(server.port) as raw:
        answer = raw.open(
            Sec_WebSocket_Protocol="chat.v1, bearer.a.b.c",
            Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits",
        )
    digest = hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    assert answer["sec-websocket-accept"] == base64.b64encode(digest).decode()
    assert answer["sec-websocket-protocol"] == "chat.v1"
    assert "sec-websocket-extensions" not in answer


def test_no_subprotocol_is_answered_when_none_of_ours_was_offered(server: EchoServer) -> None:
    for offered in ("", "other"):
        with RawClient(server.port) as raw:
            assert "sec-websocket-protocol" not in raw.open(Sec_WebSocket_Protocol=offered)


def test_page_and_websocket_share_the_path(server: EchoServer) -> None:
    with RawClient(server.port) as raw:
        raw.open("/")
        raw.send(frame(TEXT, b"hi"))
        assert raw.receive() == (TEXT, b"hi")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=5) as answer:
        assert answer.read() == b"a page"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, LIMIT])
def test_text_comes_back_when_echoed(client: RawClient, size: int) -> None:
    client.send(frame(TEXT, b"x" * size))
    assert client.receive() == (TEXT, b"x" * size)


def test_frames_of_one_segment_come_back_in_order(client: RawClient) -> None:
    client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(200)))
    assert [client.receive()[1] for _ in range(200)] == [b"%d" % number for number in range(200)]


def test_pong_carries_the_payload_when_pinged_even_between_fragments(client: RawClient) -> None:
    client.send(frame(PING, b"one") + frame(TEXT, b"ab", fin=False) + frame(PING, b"two"))
    client.send(frame(CONTINUATION, b"cd"))
    assert [client.receive() for _ in range(3)] == [(PONG, b"one"), (PONG, b"two"), (TEXT, b"abcd")]


def test_binary_is_told_apart(client: RawClient) -> None:
    client.send(frame(BINARY, b"\x00\xff"))
    assert client.receive() == (TEXT, b"binary is not spoken here")


def test_first_frame_is_not_lost_when_it_comes_with_the_handshake(server: EchoServer) -> None:
    with RawClient(server.port) as raw:
        early = frame(TEXT, b"early") + frame(TEXT, b"e" * 20_000) + frame(TEXT, b"cut")
        raw.open(early=early[:-1])
        assert raw.receive() == (TEXT, b"early")
        assert raw.receive() == (TEXT, b"e" * 20_000)
        raw.send(early[-1:])
        assert raw.receive() == (TEXT, b"cut")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"x" * (LIMIT + 1))[:14], 1009),  # the header is enough
        (frame(TEXT, b"x" * LIMIT, fin=False) + frame(CONTINUATION, b"x"), 1009),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"x"), 1007),
        (frame(TEXT, b"plain", masked=False), 1002),
        (frame(TEXT, b"x", rsv=4), 1002),
        (frame(3, b"x"), 1002),
        (frame(CONTINUATION, b"x"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (b"\x81\xfe\x00\x03" + bytes(4), 1002),  # three bytes fit into the short length
        (b"\x82\xff\x80" + bytes(11), 1002),
        (frame(PING, fin=False), 1002),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),
        (frame(TEXT, b"raise"), 1011),
        (frame(TEXT, b"close 4001"), 4001),
        (frame(CLOSE, b"\x03\xe8bye"), 1000),
        (frame(TEXT, b"x", fin=False) + frame(CLOSE, b"\x03\xe8") + frame(CONTINUATION, b"x"), 1000),
    ],
)
def test_close_code_and_fin_when_it_ends(server: EchoServer, sent: bytes, code: int) -> None:
    before = len(server.state()["closed"])
    with RawClient(server.port) as raw:
        raw.open()
        raw.send(sent)
        if code == 4001:
            assert raw.receive() == (TEXT, b"last")
        assert raw.receive_close() == code
        if code in (1011, 4001):
            raw.send(frame(CLOSE, code.to_bytes(2)))  # the server asked: it waits for the answer
        assert raw.is_ended()
        eventually(lambda: len(server.state()["closed"]) > before)
    assert server.state()["closed"][before:] == [code]


def test_nothing_is_taken_for_http_after_a_fault_or_while_closing(server: EchoServer) -> None:
    get = b"GET /state HTTP/1.1\r\nHost: chat\r\n\r\n"
    for sent, code in ((frame(3) + get, 1002), (frame(TEXT, b"close 4001") + get, 4001), (get, 1002)):
        with RawClient(server.port) as raw:
            raw.open()
            raw.send(sent)
            if code == 4001:
                assert raw.receive() == (TEXT, b"last")
            assert raw.receive_close() == code
            raw.send(get)
            assert raw.is_ended()
    with RawClient(server.port) as raw:  # all of it together with the handshake
        raw.open(early=frame(CLOSE, b"\x03\xe8") + get)
        assert raw.receive_close() == 1000
        assert raw.is_ended()


def test_nothing_is_said_after_the_websocket_ended(client: RawClient) -> None:
    client.send(frame(CLOSE, b"\x03\xe8"))
    assert client.receive_close() == 1000
    client.send(b"GET /state HTTP/1.1\r\nHost: chat\r\n\r\n" + frame(TEXT, b"still there?"))
    assert client.is_ended()


def test_connection_ends_when_the_peer_never_answers_our_close(
    start_server: Callable[..., EchoServer],
) -> None:
    server = start_server(close_timeout_s=0.3)
    with RawClient(server.port) as raw:
        raw.open()
        raw.send(frame(TEXT, b"close 4001"))
        assert raw.receive() == (TEXT, b"last")
        assert raw.receive_close() == 4001
        assert raw.is_ended()
    state = server.state()
    assert (state["closed"], state["open"]) == ([4001], 0)


def test_closed_is_told_once_with_1006_when_the_peer_vanishes(server: EchoServer) -> None:
    before = server.state()
    with RawClient(server.port) as raw:
        raw.open()
        eventually(lambda: server.state()["open"] == before["open"] + 1)
    eventually(lambda: server.state()["open"] == before["open"])
    assert server.state()["closed"][len(before["closed"]) :] == [1006]


def test_open_failure_closes_with_1011_and_others_live_on(server: EchoServer, client: RawClient) -> None:
    with RawClient(server.port) as raw:
        raw.open("/ws?fail=open")
        assert raw.receive_close() == 1011
    client.send(frame(TEXT, b"alive"))
    assert client.receive() == (TEXT, b"alive")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("/ws?refuse=1"), 403),
        (request(Sec_WebSocket_Key=""), 400),
        (request(Sec_WebSocket_Version=""), 400),
        (request(Sec_WebSocket_Version="8"), 426),
        (request(Host="xn--a"), 400),
        (request(Content_Length="3") + b"abc", 400),
        (request(Upgrade="h2c"), 400),
    ],
)
def test_second_request_gets_no_answer_when_the_upgrade_was_refused(
    server: EchoServer, asked: bytes, status: int
) -> None:
    with RawClient(server.port) as raw:
        raw.send(asked + b"GET /state HTTP/1.1\r\nHost: chat\r\n\r\n")
        told, headers = raw.head()
        assert (told, headers["connection"]) == (status, "close")
        assert headers.get("sec-websocket-version", "13") == "13"
        raw.stream.read(int(headers["content-length"]))
        assert raw.is_ended()


def test_no_descriptor_is_left_when_the_upgrade_was_refused(server: EchoServer) -> None:
    before = server.state()["descriptors"]
    for _ in range(20):
        with RawClient(server.port) as raw:
            raw.send(request(Sec_WebSocket_Key=""))
            assert raw.head()[0] == 400
    eventually(lambda: server.state()["descriptors"] <= before)


def test_bad_requests_are_one_line_each_in_the_log(start_server: Callable[..., EchoServer]) -> None:
    server = start_server()
    headers = b"".join(b"X-%d: 1\r\n" % number for number in range(200))
    bad = [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + headers + b"\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ]
    bad += [b"POST /body HTTP/1.1\r\nHost: chat\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
    bad += [request(Sec_WebSocket_Key=""), request(Host="xn--a"), request(Sec_WebSocket_Version="7")]
    for sent in bad:
        with RawClient(server.port) as raw:
            raw.send(sent)
            assert raw.head()[0] in (400, 426)
    assert "Traceback" not in server.logged()
    assert server.logged().count("http_request_refused") == 5


def test_half_a_request_is_ended(start_server: Callable[..., EchoServer]) -> None:
    server = start_server(request_timeout_s=0.3)
    whole = b"POST /body HTTP/1.1\r\nHost: chat\r\nContent-Length: 5\r\n\r\nwhole"
    with (
        RawClient(server.port) as head,
        RawClient(server.port) as body,
        RawClient(server.port) as silent,
        RawClient(server.port) as kept,
    ):
        kept.send(whole)
        assert kept.head()[0] == 200
        assert kept.stream.read(1) == b"5"
        head.send(b"GET / HTTP/1.1\r\nHost:")
        body.send(b"POST /body HTTP/1.1\r\nHost: chat\r\nContent-Length: 9\r\n\r\nhalf")
        assert head.head()[0] == 408
        assert head.is_ended()
        assert body.head()[0] == 408
        assert body.stream.read()
        assert body.is_ended()
        assert silent.is_ended()
        kept.send(whole)  # a kept-alive connection is not half a request
        assert kept.head()[0] == 200
        assert kept.stream.read(1) == b"5"
    assert "Traceback" not in server.logged()


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GE",
        b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n",
        b"POST /body HTTP/1.1\r\nHost: chat\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
def test_half_requests_push_one_another_out_when_there_are_too_many(
    start_server: Callable[..., EchoServer], half: bytes
) -> None:
    server = start_server(waiting_limit=20)
    with ExitStack() as stack:
        open_websocket = stack.enter_context(RawClient(server.port))
        open_websocket.open()
        before = server.state()["descriptors"]
        crowd = [stack.enter_context(RawClient(server.port)) for _ in range(60)]
        for each in crowd:
            each.send(half)
        eventually(lambda: sum(each.is_gone() for each in crowd) == 40)
        assert server.state()["descriptors"] <= before + 20
        open_websocket.send(frame(TEXT, b"alive"))
        assert open_websocket.receive() == (TEXT, b"alive")
        with RawClient(server.port) as late:
            late.open()
    assert "Traceback" not in server.logged()
    assert server.logged().count("refused") <= 20  # those who went away in the middle of a line


def test_reader_that_never_reads_is_ended_and_others_are_served(
    start_server: Callable[..., EchoServer],
) -> None:
    server = start_server(backlog_limit_bytes=100_000, close_timeout_s=0.3)
    with RawClient(server.port, receive_buffer=4096) as deaf, RawClient(server.port) as other:
        deaf.open()
        other.open()
        deaf.send(frame(TEXT, b"megabytes 20"))
        eventually(lambda: server.state()["closed"])
        other.send(frame(TEXT, b"everyone"))
        assert other.receive() == (TEXT, b"hello")
    assert server.state()["closed"][0] == 4003


def test_20_megabytes_arrive_whole_at_a_slow_reader(start_server: Callable[..., EchoServer]) -> None:
    server = start_server(backlog_limit_bytes=64 * 1024 * 1024)
    with RawClient(server.port, receive_buffer=4096) as slow:
        slow.open()
        slow.send(frame(TEXT, b"megabytes 20") + frame(CLOSE, b"\x03\xe8"))
        for number in range(20 * 16):
            assert slow.receive() == (TEXT, b"%08d" % number * 8192)
        assert slow.receive_close() == 1000
        assert slow.is_ended()


def test_flood_of_empty_frames_is_ended_and_stops_nobody(start_server: Callable[..., EchoServer]) -> None:
    server = start_server(max_frames_per_s=200)
    with RawClient(server.port) as attacker, RawClient(server.port) as other:
        attacker.open()
        other.open()
        flood = threading.Thread(target=_flood, args=(attacker,))
        flood.start()
        for number in range(50):
            other.send(frame(TEXT, b"%d" % number))
            assert other.receive() == (TEXT, b"%d" % number)
        eventually(lambda: server.state()["closed"] == [4008])
        flood.join(timeout=10)
        assert not flood.is_alive()


def _flood(attacker: RawClient) -> None:
    pings = frame(PING) * 1000
    try:
        while True:
            attacker.send(pings)
    except OSError:
        return


def test_paused_connection_is_not_read_until_it_is_resumed(start_server: Callable[..., EchoServer]) -> None:
    server = start_server()
    with RawClient(server.port) as paused, RawClient(server.port) as other:
        paused.open()
        other.open()
        paused.send(frame(TEXT, b"pause"))
        assert paused.receive() == (TEXT, b"pausing")
        paused.send(frame(TEXT, b"waiting"))
        for _ in range(3):  # turns of the server's loop
            other.send(frame(TEXT, b"turn"))
            assert other.receive() == (TEXT, b"turn")
        paused.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            paused.sock.recv(1)
        paused.sock.settimeout(10)
        other.send(frame(TEXT, b"resume"))
        assert paused.receive() == (TEXT, b"waiting")


def test_paused_connection_still_hears_the_peer_s_close(start_server: Callable[..., EchoServer]) -> None:
    server = start_server(close_timeout_s=8)
    with RawClient(server.port) as paused, RawClient(server.port) as other:
        paused.open()
        other.open()
        paused.send(frame(TEXT, b"pause"))
        assert paused.receive() == (TEXT, b"pausing")
        other.send(frame(TEXT, b"close-others"))
        assert paused.receive_close() == 1001
        paused.send(frame(CLOSE, b"\x03\xe9"))
        eventually(lambda: server.state()["closed"] == [1001], timeout_s=4)


def test_burst_within_the_limit_is_served(start_server: Callable[..., EchoServer]) -> None:
    server = start_server(max_frames_per_s=100)
    with RawClient(server.port) as raw:
        raw.open()
        raw.send(frame(TEXT, b"x") * 200)
        assert [raw.receive() for _ in range(200)] == [(TEXT, b"x")] * 200
        raw.send(frame(TEXT, b"x") * 200)
        while (received := raw.receive())[0] == TEXT:
            pass
        assert received == (CLOSE, (4008).to_bytes(2) + b"too many frames")


@pytest.mark.parametrize("filler", [b"X-Pad: " + b"a" * 17_000 + b"\r\n", (b"X-Pad: " + b"a" * 200 + b"\r\n") * 90])
def test_a_request_is_refused_when_its_headers_are_too_large(
    start_server: Callable[..., EchoServer], filler: bytes
) -> None:
    server = start_server()
    with RawClient(server.port) as client:
        client.send(b"GET /ws HTTP/1.1\r\nHost: chat\r\n" + filler + b"\r\n")
        status, _ = client.head()
        assert status == 431
        eventually(client.is_gone)
    with RawClient(server.port) as other:
        other.open()
    assert "Traceback" not in server.logged()
