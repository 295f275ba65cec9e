"""Requests that become no WebSocket: refused ones, bad ones, half ones and too large ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.support.echo_process import EchoServer
from tests.support.raw_client import TEXT, RawClient, frame, request
from tests.support.wait import eventually


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("/ws?refuse=1"), 403),
        (request(Sec_WebSocket_Key=""), 400),
        (request(Sec_WebSocket_Key="abc"), 400),
        (request(Sec_WebSocket_Key="QUJD"), 400),  # three bytes
        (request(Sec_WebSocket_Key="é" * 24), 400),
        (request().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
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


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: +5",
        "Content-Length: 1_0",
        "Content-Length: -5",
        "Content-Length: 5, 5",
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "a line that is no header\r\nContent-Length: 5",
        "Host: other",
    ],
)
def test_a_request_whose_end_or_host_a_proxy_may_see_elsewhere_is_refused(server: EchoServer, headers: str) -> None:
    with RawClient(server.port) as raw:
        raw.send(f"POST /body HTTP/1.1\r\nHost: chat\r\n{headers}\r\n\r\n0\r\n\r\n".encode())
        raw.send(b"GET /state HTTP/1.1\r\nHost: chat\r\n\r\n")
        assert (raw.head()[0], raw.is_ended()) == (400, True)


def test_spaces_around_a_length_are_no_fault(server: EchoServer) -> None:
    with RawClient(server.port) as raw:
        raw.send(b"POST /body HTTP/1.1\r\nHost: chat\r\nContent-Length:  5 \r\n\r\nwhole")
        assert raw.head()[0] == 200


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
