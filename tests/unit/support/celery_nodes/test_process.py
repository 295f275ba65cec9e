"""A process does what pytest-celery and pytest-docker-tools ask of a container."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pytest_docker_tools.exceptions import ContainerFailed  # type: ignore[import-untyped]

from tests.support.celery_nodes.container import LocalContainer
from tests.support.celery_nodes.process import MARK, ProcessContainer, left_running
from tests.support.wait import eventually

SCRIPT = "trap 'echo leaves; exit 3' TERM; sleep 60 & echo hello %h; wait"


@pytest.fixture
def process(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ProcessContainer]:
    environ = {MARK: request.node.name, "WORD": "told"}
    with ProcessContainer(["sh", "-c", SCRIPT], name="p", folder=tmp_path, environ=environ, port=4711) as process:
        eventually(lambda: b"hello" in process.logs() and len(process.processes()) == 2)
        yield process


class Greeter(LocalContainer):
    ready_prompt = "hello"


def test_children_end_with_the_process_when_it_is_killed(process: ProcessContainer) -> None:
    process.kill()

    assert (process.status, process.exit_code, process.pid, process.processes()) == ("exited", -9, None, [])


def test_another_signal_goes_to_the_main_process_alone(process: ProcessContainer) -> None:
    process.kill("SIGTERM")

    eventually(lambda: process.status == "exited")
    assert process.exit_code == 3
    assert len(process.processes()) == 1
    process.remove()
    assert process.processes() == []


def test_a_process_that_does_not_run_takes_no_signal(process: ProcessContainer) -> None:
    process.kill()

    with pytest.raises(RuntimeError, match="is exited"):
        process.kill(signal.SIGTERM)


def test_the_log_goes_on_over_a_restart_and_the_last_start_can_be_told(process: ProcessContainer) -> None:
    before = process.pid
    process.restart()
    eventually(lambda: process.logs().count(b"hello") == 2)

    assert process.logs_of_this_start() == f"hello {process.hostname}\n"
    assert b"leaves" in process.logs()
    assert process.pid not in (None, before)


def test_a_frozen_process_goes_on_when_it_is_thawed(process: ProcessContainer) -> None:
    process.pause()
    eventually(lambda: {each.status() for each in process.processes()} == {psutil.STATUS_STOPPED})

    process.unpause()

    eventually(lambda: psutil.STATUS_STOPPED not in {each.status() for each in process.processes()})


def test_a_command_runs_beside_it_in_its_environment(process: ProcessContainer) -> None:
    assert process.exec_run(["sh", "-c", "echo $WORD; exit 5"]) == (5, b"told\n")
    assert process.exec_run("printenv WORD") == (0, b"told\n")


def test_pytest_docker_tools_finds_addresses_and_environment(process: ProcessContainer) -> None:
    container = LocalContainer(process)

    assert container.ips.primary == "127.0.0.1"
    assert container.get_addr("4711/tcp") == ("127.0.0.1", 4711)
    assert (container.env["WORD"], container.id, container.name) == ("told", process.id, process.name)


def test_what_a_test_left_behind_is_found_by_its_mark(
    process: ProcessContainer, request: pytest.FixtureRequest
) -> None:
    assert len(left_running(request.node.name)) == 2

    process.remove()

    assert left_running(request.node.name) == []


def test_a_process_that_ends_before_its_prompt_is_reported_with_its_log(tmp_path: Path) -> None:
    with (
        ProcessContainer([sys.executable, "-c", "print('no')"], name="p", folder=tmp_path) as process,
        pytest.raises(ContainerFailed, match="ended before it was ready:\nno"),
    ):
        Greeter(process).ready()


def test_a_restarted_process_is_not_ready_on_the_strength_of_its_former_prompt(tmp_path: Path) -> None:
    once = tmp_path / "once"
    script = f"test -e {once} && exit 1; touch {once}; echo hello; sleep 60"
    with ProcessContainer(["sh", "-c", script], name="p", folder=tmp_path) as process:
        container = Greeter(process)
        eventually(lambda: b"hello" in process.logs())
        process.restart()

        with pytest.raises(ContainerFailed):
            container.ready()
