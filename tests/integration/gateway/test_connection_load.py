"""Connections that read too slowly, send too much, or are not to be read for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.support.echo_process import EchoServer
from tests.support.raw_client import CLOSE, PING, TEXT, RawClient, frame
from tests.support.wait import eventually


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
