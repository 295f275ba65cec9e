"""Workers are killed, also in part, and frozen: each message is confirmed once, history is complete."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_celery import CeleryWorkerCluster  # type: ignore[import-untyped]

from tests.support.celery_nodes.outcome import (
    HEAL_S,
    accept,
    assert_all_is_well,
    await_holder,
    edit_first,
    holders,
    slow_down,
)
from tests.support.celery_nodes.process import ProcessContainer
from tests.support.celery_nodes.setup import ChatSetup
from tests.support.celery_nodes.stream import Stream
from tests.support.celery_nodes.worker import ChatWorker, ChatWorkerContainer
from tests.support.drainage import Drainage
from tests.support.wait import eventually

pytestmark = pytest.mark.fault
KILLS, TRIES = 3, 8


def test_each_message_of_a_stream_is_confirmed_once_when_the_worker_is_killed_again_and_again(
    celery_setup: ChatSetup, room: Drainage
) -> None:
    worker = celery_setup.worker
    slow_down(room)
    with Stream(room, celery_setup.app) as stream:
        held = 0
        for _ in range(TRIES):
            holder = await_holder(room, worker.children)
            worker.kill()
            held += holder in holders(room)  # otherwise it was just done: that proves nothing
            assert worker.get_running_processes_info() == []
            worker.restart()
            if held == KILLS:
                break
        assert held == KILLS

    assert len(stream.temp_ids) > 100 * KILLS
    assert_all_is_well(room, stream.temp_ids)


def test_a_batch_is_finished_by_another_when_the_child_that_holds_it_is_killed(
    celery_setup: ChatSetup, room: Drainage
) -> None:
    worker = celery_setup.worker
    main_pid = worker.main_pid
    with room.outage():
        temp_ids = accept(room, 50)
        holder = await_holder(room, worker.children)
        os.kill(holder, signal.SIGKILL)
        eventually(lambda: holder not in worker.children, timeout_s=HEAL_S)

    assert_all_is_well(room, temp_ids)
    assert worker.main_pid == main_pid


class TestTwoWorkers:
    """One of them holds messages and stands still."""

    @pytest.fixture
    def second_worker(
        self, celery_worker: ChatWorker, default_worker_command: list[str], default_worker_env: dict, tmp_path: Path
    ) -> Iterator[ChatWorker]:
        with ProcessContainer(
            default_worker_command, name="second", folder=tmp_path, environ=default_worker_env
        ) as process:
            worker = ChatWorker(ChatWorkerContainer(process), celery_worker.app)
            assert worker.ready()
            yield worker

    @pytest.fixture
    def celery_worker_cluster(self, celery_worker: ChatWorker, second_worker: ChatWorker) -> CeleryWorkerCluster:
        return CeleryWorkerCluster(celery_worker, second_worker)

    def test_a_frozen_worker_neither_stops_the_other_nor_tells_anything_twice(
        self, celery_setup: ChatSetup, room: Drainage
    ) -> None:
        children = {child: worker for worker in celery_setup.worker_cluster for child in worker.children}
        with room.outage():
            temp_ids = accept(room, 30)
            frozen = children[await_holder(room, children)]
            frozen.container.freeze()

        assert_all_is_well(room, temp_ids)
        edit_first(room)
        frozen.container.thaw()
        temp_ids += accept(room, 10, prefix="later")
        assert_all_is_well(room, temp_ids)
        frozen.container.process.stop()  # what it had in hand when it was frozen, it has tried by now
        assert frozen.container.exit_code == 0
        assert_all_is_well(room, temp_ids)
        assert room.documents()[1]["content"] == "edited"
