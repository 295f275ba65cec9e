"""The detached connection over real sockets: a server process of our own, and clients made of raw bytes."""

from __future__ import annotations

import base64
import hashlib
import urllib.request
from collections.abc import Callable

import pytest

from tests.support.echo_process import LIMIT, EchoServer
from tests.support.raw_client import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, RawClient, frame
from tests.support.wait import eventually


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
