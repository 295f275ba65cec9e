"""Wake-ups and the lease: none too many, and none missing."""

from __future__ import annotations

import pytest

from chat.broker import keys
from chat.broker.outbox import Outbox
from chat.broker.wake import DrainLease, wake_drain
from chat.services.drain import Drain
from tests.support.drainage import POLICY, Drainage


class Sender:
    """Counts wake-ups."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self) -> None:
        self.sent += 1


def test_one_wake_up_is_sent_when_many_ask(room: Drainage) -> None:
    send = Sender()

    answers = [wake_drain(room.client, send) for _ in range(5)]

    assert (answers, send.sent) == ([True, False, False, False, False], 1)
    assert 0 < int(room.client.pttl(keys.DRAIN_LEASE)) <= 5000


def test_no_wake_up_is_sent_while_a_drain_holds_the_lease(room: Drainage) -> None:
    lease, send = DrainLease(room.client, "drain-1"), Sender()
    wake_drain(room.client, send)
    lease.take()

    assert wake_drain(room.client, send) is False
    lease.release()
    assert wake_drain(room.client, send) is True


def test_a_forced_wake_up_is_sent_whoever_holds_the_lease(room: Drainage) -> None:
    DrainLease(room.client, "killed").take()
    send = Sender()

    assert wake_drain(room.client, send, is_forced=True) is True
    assert send.sent == 1


def test_the_lease_is_free_again_when_the_wake_up_could_not_be_sent(room: Drainage) -> None:
    def fail() -> None:
        raise OSError("no broker")

    with pytest.raises(OSError, match="no broker"):
        wake_drain(room.client, fail)

    assert room.client.exists(keys.DRAIN_LEASE) == 0


def test_a_lease_that_another_took_over_is_not_released(room: Drainage) -> None:
    first, second = DrainLease(room.client, "first"), DrainLease(room.client, "second")
    first.take()
    second.take()

    first.release()

    assert room.client.get(keys.DRAIN_LEASE) == b"second"


def test_a_lease_is_held_until_another_takes_it_over_and_again_when_that_let_go(room: Drainage) -> None:
    first, second = DrainLease(room.client, "first"), DrainLease(room.client, "second")
    first.take()
    assert first.hold(2) is True
    second.take()

    assert first.hold(3) is False
    assert room.client.get(keys.DRAIN_LEASE) == b"second"
    second.release()
    assert first.hold() is True
    assert room.client.get(keys.DRAIN_LEASE) == b"first"
    assert 0 < int(room.client.pttl(keys.DRAIN_LEASE)) <= 5000
    assert room.client.hget(keys.WORK_STATS, "store_round_trips") == b"5"


def test_a_message_queued_just_before_the_release_is_served_by_the_same_run(room: Drainage) -> None:
    class LateMessage(DrainLease):
        """A message comes after the last look and before the release: its wake-up is refused."""

        refusals = 0

        def release(self) -> None:
            if not self.refusals:
                self.refusals += 1
                room.accept("late")
                assert wake_drain(room.client, Sender()) is False
            super().release()

    outbox = Outbox(room.client, consumer="one", log_length=1000)
    Drain(outbox, room.store, LateMessage(room.client, "one"), POLICY).run()

    assert room.told("message-confirmed") == {"late": 1}
    assert room.client.exists(keys.DRAIN_LEASE) == 0


def test_a_drain_goes_on_when_redis_has_no_memory_for_the_lease(room: Drainage) -> None:
    room.accept("t0")
    room.drain()  # the group is there
    room.accept("t1")
    room.client.config_set("maxmemory", 1)
    try:
        room.drain()
    finally:
        room.client.config_set("maxmemory", 0)

    assert room.told("message-confirmed") == {"t0": 1, "t1": 1}
