"""What a relay says of itself: whether it would hear; the tests of running servers have the rest."""

from __future__ import annotations

import time
from typing import Any

import gevent
import pytest

from chat.gateway.relay import SILENCE_S, SLICE_S, Relay


class NoWire:
    """A connection that takes everything and brings nothing."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def set_timeout(self, seconds: float) -> None: ...

    def send(self, commands: bytes) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


@pytest.fixture
def relay(clock: list[float]) -> Relay:
    wire: Any = NoWire()
    relay = Relay(wire, lambda *_: None, "n0de")
    relay._handlers[b"chat:members"] = lambda _: None
    return relay


def test_a_channel_is_heard_from_its_confirmation_until_the_link_is_lost(relay: Relay) -> None:
    assert relay.heard_until("chat:members") == 0
    relay._connect()
    assert relay.heard_until("chat:members") == 0
    relay._take_confirmation(b"chat:members")
    assert relay.heard_until("chat:members") == 1000 + SILENCE_S
    assert relay.heard_until("chat:other") == 0
    relay._lose(OSError("gone"))
    assert relay.heard_until("chat:members") == 0


def test_a_channel_is_not_heard_any_more_when_nothing_came_for_too_long(relay: Relay, clock: list[float]) -> None:
    relay._connect()
    relay._take_confirmation(b"chat:members")
    clock[0] += SILENCE_S - 1
    relay._note_heard()
    assert relay.heard_until("chat:members") == clock[0] + SILENCE_S
    clock[0] += SILENCE_S
    assert relay.heard_until("chat:members") <= clock[0]


def test_what_waited_while_the_process_stood_still_is_not_taken_for_new(relay: Relay, clock: list[float]) -> None:
    relay._connect()
    clock[0] += SILENCE_S + 1
    with pytest.raises(ConnectionError, match="nothing was read"):
        relay._note_heard()


def test_everyone_who_asked_is_told_in_order_when_the_link_is_lost_and_there_again(relay: Relay) -> None:
    told: list[str] = []
    relay.on_lost = (lambda: told.append("cut-offs"), lambda: told.append("rooms"))
    relay.on_again = (told.append,)
    relay._connect()
    relay._take_confirmation(b"chat:members")
    assert told == []
    relay._lose(OSError("gone"))
    relay._connect()
    relay._take_confirmation(b"chat:members")
    assert told == ["cut-offs", "rooms", "chat:members"]


class FullWire(NoWire):
    """A connection that has brought some publications in one read."""

    def __init__(self, count: int) -> None:
        self._replies = [[b"message", b"chat:busy", b"%d" % number] for number in range(count)]

    def next_reply(self) -> Any:
        return self._replies.pop(0) if self._replies else False


def test_others_run_between_the_publications_of_one_read_when_they_take_long() -> None:
    wire: Any = FullWire(6)
    relay = Relay(wire, lambda *_: None, "n0de")
    order: list[str] = []

    def take_long(payload: bytes) -> None:
        until = time.perf_counter() + 0.6 * SLICE_S
        while time.perf_counter() < until:
            pass
        order.append(payload.decode())

    relay._handlers[b"chat:busy"] = take_long
    relay.on_turn = (lambda: order.append("turn"),)
    other = gevent.spawn(order.append, "other")
    relay._take_all()
    other.join()
    assert [each for each in order if each.isdigit()] == ["0", "1", "2", "3", "4", "5"]
    assert order[-1] == "turn"
    assert order.count("turn") >= 3
    assert "other" in order[:5]
