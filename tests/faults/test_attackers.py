"""One attacker at a time: the other clients' echo stays quick, and what the attacker costs in memory is bounded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psutil
import pytest

from tests.support.attackers import attack
from tests.support.chat_system import LoneServer
from tests.support.echo_system import echo_system, port_of
from tests.support.raw_client import TEXT, RawClient, frame
from tests.support.wait import eventually

P99_LIMIT_MS = 50  # with an attacker, beyond what the same clients wait without one: the machine may be busy
CALM_S, ATTACK_S = 1.0, 2.5
OTHERS, PAUSE_S = 4, 0.004
MB = 1_000_000
JOINS_PER_S = 20
SETTINGS = {
    "MAX_BACKLOG_BYTES": str(512 * 1024),
    "MAX_JOINS_PER_S": str(JOINS_PER_S),
    "LOG_LEVEL": "WARNING",
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoneServer]:
    with echo_system(**SETTINGS) as running:
        yield running
        assert "Traceback" not in running.output


@dataclass
class Seen:
    """What the others saw of an attack."""

    calm_ms: float
    p99_ms: float
    worst_ms: float
    growth_bytes: int
    told: dict[str, int]


def echo_times_ms(port: int, seconds: float, process: psutil.Process) -> tuple[list[float], int]:
    """Return how long each echo of some clients took, in order of size, and the most memory meanwhile."""
    times: list[float] = []
    most = 0
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(port)) for _ in range(OTHERS)]
        for each in clients:
            each.open("/ws/echo")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for each in clients:
                started = time.perf_counter()
                each.send(frame(TEXT, b"are you there?"))
                assert each.receive() == (TEXT, b"are you there?")
                times.append((time.perf_counter() - started) * 1000)
            if len(times) % 80 == 0:
                most = max(most, process.memory_info().rss)
            time.sleep(PAUSE_S)  # the pace of a client
    return sorted(times), most


def p99(times: list[float]) -> float:
    return times[int(len(times) * 0.99)]


def watch(server: LoneServer, name: str) -> Seen:
    port, process = port_of(server), psutil.Process(server.process.pid)
    calm, _ = echo_times_ms(port, CALM_S, process)
    before = process.memory_info().rss
    with attack(name, port, ATTACK_S + 0.5) as attacker:
        times, most = echo_times_ms(port, ATTACK_S, process)
        told = attacker.result(timeout_s=30)
    seen = Seen(p99(calm), p99(times), times[-1], most - before, told)
    print(
        f"\n{name}: echo p99 {seen.calm_ms:.1f} ms without and {seen.p99_ms:.1f} ms with it (worst of {len(times)}:"
        f" {seen.worst_ms:.1f}), memory {seen.growth_bytes / MB:+.1f} MB; {told}"
    )
    return seen


def withstood(server: LoneServer, name: str, growth_limit_bytes: int) -> dict[str, int]:
    """Attack, once more when the others had to wait, and return what the attacker told."""
    seen = watch(server, name)
    if seen.p99_ms > P99_LIMIT_MS + seen.calm_ms:
        seen = watch(server, name)
    assert seen.p99_ms <= P99_LIMIT_MS + seen.calm_ms
    assert seen.growth_bytes <= growth_limit_bytes
    return seen.told


def test_flood_of_the_smallest_frames(server: LoneServer) -> None:
    told = withstood(server, "flood", 10 * MB)
    assert told["closed"] >= 2


def test_one_byte_fragments(server: LoneServer) -> None:
    told = withstood(server, "fragments", 10 * MB)
    assert told["closed"] >= 2


def test_compressed_bomb(server: LoneServer) -> None:
    told = withstood(server, "bomb", 20 * MB)  # handshakes by the hundreds among it
    assert told["compression accepted"] == 0
    assert set(told) == {"compression accepted", "closed with 1002"}


def test_handshakes_that_never_end(server: LoneServer) -> None:
    told = withstood(server, "half_handshakes", 40 * MB)
    assert told["held at the end"] >= 500
    eventually(lambda: psutil.Process(server.process.pid).num_fds() < 100)


def test_readers_that_never_read_in_a_busy_room(server: LoneServer) -> None:
    told = withstood(server, "deaf", 30 * MB)
    assert told["said"] > 100
    assert told["deaf ones closed"] == 10
    eventually(lambda: server.stats()["totalSockets"] == 0)


def test_a_thousand_joins_a_second(server: LoneServer) -> None:
    told = withstood(server, "joins", 20 * MB)
    assert told["rooms asked for"] > 1000
    assert told["rate-limited"] > 10
    assert told["rooms joined"] <= JOINS_PER_S * (10 + told["seconds"])
