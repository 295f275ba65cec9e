"""Peers that are gone without a word are found: after this a connection of which nothing came for too long is
closed.

One greenlet goes over all connections once a round, a slice at a time, so that there is no timer a connection
and no turn of the loop takes long (10,000 connections: a few ms a round, spread over twenty turns).
"""

from __future__ import annotations

from time import monotonic

import gevent

from chat.gateway.connection import Connection, State

ROUNDS_PER_TIMEOUT = 60  # so a silent peer is closed at most 1/60 later than it should be
SLICES = 20  # of a round
STALL_S = 1.0  # a sweep so late was asleep (a stopped process, a laptop): nobody could be heard meanwhile


class Heartbeat:
    """Pings whoever was silent for `ping_after_s`, again and again, and closes after `timeout_s` of silence."""

    def __init__(self, ping_after_s: float, timeout_s: float) -> None:
        self._ping_after_s = ping_after_s
        self._timeout_s = timeout_s
        self._pinged: dict[Connection, float] = {}  # when last
        self._awake_since = 0.0

    def watch(self, connection: Connection) -> None:
        """Look after a connection until it closes."""
        self._pinged[connection] = 0.0

    def start(self) -> None:
        """Begin to sweep."""
        gevent.spawn(self._run)

    def _run(self) -> None:
        pause_s = self._timeout_s / ROUNDS_PER_TIMEOUT / SLICES
        before = monotonic()
        while True:
            everyone = list(self._pinged)
            size = len(everyone) // SLICES + 1
            for number in range(SLICES):
                gevent.sleep(pause_s)
                now = monotonic()
                if now - before > pause_s + STALL_S:
                    self._awake_since = now
                before = now
                for connection in everyone[number * size : (number + 1) * size]:
                    self.check(connection, now)

    def check(self, connection: Connection, now: float) -> None:
        """Do what is due for one connection."""
        if connection.state is not State.OPEN:
            self._pinged.pop(connection, None)
            return
        if connection.is_paused:  # what it says waits in its socket
            return
        heard = max(connection.last_received_monotonic, self._awake_since)
        if now - heard >= self._timeout_s:
            connection.peer_is_silent()
        elif now - max(heard, self._pinged[connection]) >= self._ping_after_s:
            self._pinged[connection] = now
            connection.ping()
