"""The broker is killed, frozen and wiped: the same worker goes on by itself, nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from pytest_celery import CeleryTestBroker  # type: ignore[import-untyped]
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat.broker.wake import wake_drain
from tests.support.celery_nodes.outcome import HEAL_S, accept, assert_all_is_well, await_holder, drain_tasks
from tests.support.celery_nodes.setup import ChatSetup
from tests.support.celery_nodes.stream import send_wake_up
from tests.support.celery_nodes.worker import ChatWorker
from tests.support.drainage import Drainage
from tests.support.rooms import Ears
from tests.support.wait import eventually

pytestmark = pytest.mark.fault
FREEZE_S = 5


RESTORE_CRASH = (
    "kombu puts the task in hand back over a connection that Celery 5.7 has taken apart: the worker ends"
)


class WorkerEnded(AssertionError):
    """The worker did not live through it."""


def test_waiting_messages_outlive_the_death_of_the_broker(celery_setup: ChatSetup, room: Drainage) -> None:
    with worker_goes_on(celery_setup, room):
        temp_ids = accept(room, 30)
        kill_and_restart(celery_setup, room)
        assert room.waiting() == 3
        temp_ids += accept(room, 10, prefix="after")

        assert_all_is_well(room, temp_ids)


@pytest.mark.xfail(reason=RESTORE_CRASH, raises=WorkerEnded, strict=False)
def test_a_worker_with_a_batch_in_hand_outlives_the_death_of_the_broker(
    celery_setup: ChatSetup, room: Drainage
) -> None:
    with worker_goes_on(celery_setup, room):
        with room.outage():
            temp_ids = accept(room, 30)
            await_holder(room, celery_setup.worker.children)
            kill_and_restart(celery_setup, room)
            await_connected(celery_setup.worker, times=2)
            assert room.waiting() == 3

        assert_all_is_well(room, temp_ids)


def test_messages_are_drained_when_the_broker_stood_still(celery_setup: ChatSetup, room: Drainage) -> None:
    with worker_goes_on(celery_setup, room):
        with room.outage():
            temp_ids = accept(room, 30)
            await_holder(room, celery_setup.worker.children)
            with frozen_for(celery_setup.broker, FREEZE_S):
                assert not answers(celery_setup.broker)
            assert answers(celery_setup.broker)
        temp_ids += accept(room, 10, prefix="after")

        assert_all_is_well(room, temp_ids)


def test_messages_are_drained_when_the_broker_lost_its_queues(celery_setup: ChatSetup, room: Drainage) -> None:
    wipe = celery_setup.broker.container.client.flushdb

    with worker_goes_on(celery_setup, room):
        # the wake-up is gone, and the lease says that it is on its way
        eventually(lambda: wake_drain(room.client, wipe), HEAL_S)
        temp_ids = accept(room, 20)

        assert_all_is_well(room, temp_ids)


@contextmanager
def worker_goes_on(setup: ChatSetup, room: Drainage) -> Iterator[None]:
    """The worker is the same afterwards, no supervisor had to help, and the queue itself works.

    The drain runs though nothing waits, which no look at the outbox would start.
    """
    pid = setup.worker.main_pid
    yield
    assert setup.worker.main_pid == pid
    before = drain_tasks(room)
    eventually(lambda: wake_drain(room.client, lambda: send_wake_up(setup.app)), HEAL_S)
    eventually(lambda: drain_tasks(room) > before, HEAL_S)


def kill_and_restart(setup: ChatSetup, room: Drainage) -> None:
    """Kill the server; it comes back with its data when the worker has missed it."""
    setup.broker.kill()
    eventually(lambda: "Connection to broker lost" in setup.worker.logs(), HEAL_S)
    setup.broker.restart()
    room.ears.close()
    room.ears = Ears(room.client)  # the subscription died with the server


def answers(broker: CeleryTestBroker) -> bool:
    """Whether the broker answers within a second."""
    try:
        with redis.Redis.from_url(
            broker.container.host_url, socket_timeout=1, retry=Retry(NoBackoff(), 0)
        ) as client:
            return bool(client.ping())
    except redis.TimeoutError:
        return False


def await_connected(worker: ChatWorker, times: int) -> None:
    """Wait until the worker has found the broker so many times.

    Raises: WorkerEnded.
    """

    def is_connected() -> bool:
        log = worker.logs()
        if "Unrecoverable error" in log:
            raise WorkerEnded(log[-2000:])
        return bool(log.count("Connected to redis") >= times)

    eventually(is_connected, HEAL_S)


@contextmanager
def frozen_for(broker: CeleryTestBroker, length_s: float) -> Iterator[None]:
    """The broker answers nobody for so long."""
    thaw = threading.Timer(length_s, broker.kill, ("SIGCONT",))
    broker.kill("SIGSTOP")
    thaw.start()
    try:
        yield
    finally:
        thaw.join()
