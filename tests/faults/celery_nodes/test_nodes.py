"""pytest-celery's API over processes: a real worker on a real broker, and no Docker."""

from __future__ import annotations

import celery
import pytest

from tests.support.celery_nodes.outcome import accept, assert_all_is_well
from tests.support.celery_nodes.setup import ChatSetup
from tests.support.drainage import Drainage

pytestmark = pytest.mark.fault


def test_the_setup_runs_the_real_worker_on_a_real_broker_without_docker(
    celery_setup: ChatSetup, request: pytest.FixtureRequest
) -> None:
    worker, broker, app = celery_setup.worker, celery_setup.broker, celery_setup.app

    assert celery_setup.ready(control=True)
    answers = app.control.inspect([worker.hostname()]).registered()
    assert {"tasks.persist.drain", "tasks.maintenance.reclaim_outbox"} <= set(answers[worker.hostname()])
    assert (worker.version, worker.worker_queue) == (celery.__version__, "persist")
    assert broker.config()["host_url"] == app.conf.broker_url
    assert broker.container.client.ping()
    assert (len(celery_setup), celery_setup.backend) == (2, None)
    assert "docker_client" not in request.fixturenames


def test_messages_are_drained_without_a_wake_up_a_server_or_beat_by_a_worker_that_was_restarted(
    celery_setup: ChatSetup, room: Drainage
) -> None:
    worker = celery_setup.worker
    before = worker.main_pid
    temp_ids = accept(room, 25)
    assert_all_is_well(room, temp_ids)

    worker.restart()
    temp_ids += accept(room, 5, prefix="after")

    assert_all_is_well(room, temp_ids)
    assert worker.main_pid != before
    assert worker.logs().count(worker.container.ready_prompt) == 2
    assert "Traceback" not in worker.logs()
