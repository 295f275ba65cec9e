"""Who is pinged, who is closed, and what looking after 10,000 costs."""

from __future__ import annotations

import time
from typing import cast

from chat.gateway.connection import Connection, State
from chat.gateway.heartbeat import Heartbeat


class Peer:
    """What the heartbeat sees of a connection."""

    def __init__(self, heard: float = 0.0) -> None:
        self.state = State.OPEN
        self.is_paused = False
        self.last_received_monotonic = heard
        self.pings = 0

    def ping(self) -> None:
        self.pings += 1

    def peer_is_silent(self) -> None:
        self.state = State.CLOSING


def watched(heartbeat: Heartbeat, heard: float) -> tuple[Peer, Connection]:
    peer = Peer(heard)
    connection = cast(Connection, peer)
    heartbeat.watch(connection)
    return peer, connection


def test_silent_peer_is_pinged_twice_and_closed_after_the_timeout() -> None:
    heartbeat = Heartbeat(25, 60)
    peer, connection = watched(heartbeat, 1000.0)
    pings = []
    for second in range(61):
        heartbeat.check(connection, 1000.0 + second)
        pings.append(peer.pings)
    assert [pings.index(1), pings.index(2), pings[-1]] == [25, 50, 2]
    assert peer.state is State.CLOSING


def test_any_byte_starts_the_silence_anew() -> None:
    heartbeat = Heartbeat(25, 60)
    peer, connection = watched(heartbeat, 1000.0)
    for second in range(300):
        if second % 50 == 40:
            peer.last_received_monotonic = 1000.0 + second
        heartbeat.check(connection, 1000.0 + second)
    assert peer.state is State.OPEN
    assert peer.pings == 6  # once in each silence of 50 s


def test_paused_connection_is_left_alone() -> None:
    heartbeat = Heartbeat(25, 60)
    peer, connection = watched(heartbeat, 1000.0)
    peer.is_paused = True
    heartbeat.check(connection, 5000.0)
    assert (peer.state, peer.pings) == (State.OPEN, 0)


def test_closed_connection_is_forgotten() -> None:
    heartbeat = Heartbeat(25, 60)
    peer, connection = watched(heartbeat, 1000.0)
    peer.state = State.CLOSED
    for _ in range(2):
        heartbeat.check(connection, 5000.0)
    assert peer.pings == 0


def test_looking_after_ten_thousand_takes_little_time() -> None:
    heartbeat = Heartbeat(25, 60)
    everyone = [watched(heartbeat, 1000.0)[1] for _ in range(10_000)]
    best = min(_timed(heartbeat, everyone) for _ in range(5))
    print(f"\na round over 10,000 connections: {best * 1000:.1f} ms of the loop, once a second, in 20 turns")
    assert best < 0.03  # of this thread's own time


def _timed(heartbeat: Heartbeat, everyone: list[Connection]) -> float:
    start = time.thread_time()
    for each in everyone:
        heartbeat.check(each, 1010.0)
    return time.thread_time() - start
