"""Two beats share a lock: one ticks, and the other one after its death or its standstill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_celery import CeleryTestCluster  # type: ignore[import-untyped]

from tests.support.celery_nodes.beat import QUEUE, Beat, BeatContainer
from tests.support.celery_nodes.broker import ValkeyContainer
from tests.support.celery_nodes.pace import LOCK_S, LOOP_S, TICK_S
from tests.support.celery_nodes.process import MARK, ProcessContainer
from tests.support.wait import eventually

pytestmark = pytest.mark.fault
START_S = 30
BUSY_S = 2  # what a busy machine may add
TAKEN_OVER_S = LOCK_S + LOOP_S + TICK_S + BUSY_S


@pytest.fixture
def beats(default_redis_broker: ValkeyContainer, node_mark: str, tmp_path: Path) -> Iterator[CeleryTestCluster]:
    environ = {
        "AUTH_MODE": "dev",
        "LOG_LEVEL": "DEBUG",  # else beats say nothing of their ticks
        "REDIS_URL": default_redis_broker.data_url,
        "CELERY_BROKER_URL": default_redis_broker.host_url,
        MARK: node_mark,
    }
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                ProcessContainer(BeatContainer.command(), name=name, folder=tmp_path, environ=environ)
            )
            for name in ("beat-a", "beat-b")
        ]
        cluster = CeleryTestCluster(*(Beat(BeatContainer(process)) for process in processes))
        assert cluster.ready()
        yield cluster


@pytest.fixture
def leader(beats: CeleryTestCluster) -> Beat:
    """The beat that got the lock, once it has ticked."""
    leader = eventually(lambda: next((each for each in beats if each.leads), None), START_S)
    assert leader is not None
    eventually(lambda: leader.ticks >= 2, START_S)
    return leader


@pytest.fixture
def standby(beats: CeleryTestCluster, leader: Beat) -> Beat:
    """The other one, which has not ticked."""
    [standby] = [each for each in beats if each is not leader]
    assert (standby.leads, standby.ticks) == (False, 0)
    return standby


def test_the_other_beat_ticks_within_the_lock_time_when_the_leader_is_killed(
    leader: Beat, standby: Beat, default_redis_broker: ValkeyContainer
) -> None:
    broker = default_redis_broker.client
    leader.kill()
    sent = broker.llen(QUEUE)

    eventually(lambda: broker.llen(QUEUE) > sent, TAKEN_OVER_S)
    assert standby.leads

    leader.restart()  # as its supervisor would
    ticks = standby.ticks
    eventually(lambda: standby.ticks >= ticks + 2, TAKEN_OVER_S)
    assert (leader.leads, leader.ticks) == (False, 0)


def test_a_leader_that_stood_still_past_its_lock_ends_and_never_ticks_beside_the_other(
    leader: Beat, standby: Beat
) -> None:
    leader.container.freeze()
    ticks = leader.ticks

    eventually(lambda: standby.ticks >= 1, TAKEN_OVER_S)
    leader.container.thaw()

    eventually(lambda: leader.container.exit_code is not None, TAKEN_OVER_S)
    assert (leader.container.exit_code, leader.ticks) == (1, ticks)
    eventually(lambda: standby.ticks >= 2, TAKEN_OVER_S)
