"""A running stack: parts that die come back, and its end leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import redis

from tests.support.small_stack import STUBBORN_FOR_S
from tests.support.stack_process import StackProcess
from tests.support.wait import eventually

JOB = "job waits"
WEB = "web listens"
STOP_LIMIT_S = 20
DEATH_LIMIT_S = 15  # about 5 on a machine with nothing else to do


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[StackProcess]:
    with StackProcess(tmp_path / "var") as running:
        running.await_line("ready after")
        yield running


def auth_secret(stack: StackProcess) -> str:
    """Return the key that the web part was given."""
    connection = HTTPConnection("127.0.0.1", int(stack.environ["PORT"]), timeout=5)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


def vapid_keys(stack: StackProcess) -> set[str]:
    """Return the keys of Web Push that the parts were given; a job may begin after the web is ready."""
    return eventually(lambda: {part.environ()["PUSH_VAPID_KEY"] for part in stack.processes(JOB)})


def embedded_redis(stack: StackProcess) -> redis.Redis:
    port = int((Path(stack.environ["DATA_DIR"]) / "run" / "redis-port").read_text())
    return redis.Redis(port=port, decode_responses=True)


def test_the_addresses_are_told_when_it_is_ready(stack: StackProcess):
    stack.await_line("Ctrl-C stops all of it")
    place = f"127.0.0.1:{stack.environ['PORT']}"
    assert f"http://{place}  ws://{place}/ws\n" in stack.output
    assert f"http://127.0.0.1:{stack.environ['FLOWER_PORT']}\n" in stack.output
    assert f"http://{place}/readyz\n" in stack.output
    assert f"http://{place}/stats\n" in stack.output
    assert "warn" not in stack.output.lower()
    assert len(stack.output.splitlines()) < 12


def test_a_killed_part_comes_back_and_a_line_says_so(stack: StackProcess):
    stack.await_line(JOB)
    [killed] = stack.processes(JOB)
    eventually(lambda: time.time() - killed.create_time() > 2)  # well past its start
    killed.kill()
    stack.await_line("job died (SIGKILL), started again")
    stack.await_line(f"| {JOB}", count=2)
    eventually(lambda: len(stack.processes(JOB)) == 1)
    assert stack.processes(JOB) != [killed]


def test_what_a_killed_part_left_behind_is_ended(tmp_path: Path):
    with StackProcess(tmp_path / "var", {"JOB_HAS_CHILD": "1"}) as stack:
        stack.await_line(JOB)
        [job] = stack.processes(JOB)
        [child] = eventually(job.children)
        job.kill()
        eventually(lambda: not child.is_running())


def test_a_killed_valkey_comes_back_on_its_port_with_its_data(stack: StackProcess):
    client = embedded_redis(stack)
    client.set("kept", "yes")
    [valkey] = stack.processes("valkey-server")
    valkey.kill()
    stack.await_line("valkey died (SIGKILL), started again")

    def kept() -> bool:
        try:
            return client.get("kept") == "yes"
        except redis.ConnectionError:
            return False

    eventually(kept)


def test_ctrl_c_stops_everything_with_one_line(stack: StackProcess):
    before = stack.output
    stack.press_ctrl_c()
    assert stack.exit_code(STOP_LIMIT_S) == 0
    assert stack.left_running() == []
    said = [line for line in stack.output.removeprefix(before).splitlines() if JOB not in line]
    assert said == ["stubborn did not stop in time and was killed", "stopped, nothing is left running"]


def test_sigterm_stops_everything(stack: StackProcess):
    stack.process.send_signal(signal.SIGTERM)
    assert stack.exit_code(STOP_LIMIT_S) == 0
    assert stack.left_running() == []


def test_ctrl_c_during_the_start_stops_everything(tmp_path: Path):
    with StackProcess(tmp_path / "var") as stack:
        eventually(lambda: stack.processes("valkey-server"), timeout_s=30, every_s=0.01)
        stack.press_ctrl_c()
        assert stack.exit_code(STOP_LIMIT_S) == 0
        assert stack.left_running() == []
        assert "Traceback" not in stack.output


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path):
    with StackProcess(tmp_path / "var", {STUBBORN_FOR_S: "100"}) as stack:
        stack.await_line("ready after")
        stack.press_ctrl_c()
        eventually(lambda: not stack.processes(JOB))
        stack.press_ctrl_c()
        assert stack.exit_code(STOP_LIMIT_S) == 0
        assert stack.left_running() == []


def test_sigkill_of_the_stack_leaves_no_process(stack: StackProcess):
    stack.process.kill()
    eventually(lambda: stack.left_running() == [], DEATH_LIMIT_S)


def test_sigkill_of_the_supervisor_ends_the_stack_with_a_line(stack: StackProcess):
    stack.processes("supervisor.supervisord")[0].kill()
    assert stack.exit_code(DEATH_LIMIT_S) == 1
    assert stack.left_running() == []
    assert "the supervisor ended" in stack.output


def test_sigkill_of_stack_and_supervisor_leaves_none_of_the_parts(stack: StackProcess):
    supervisor = stack.processes("supervisor.supervisord")[0]
    supervisor.suspend()  # it can't pass on the stack's death
    stack.process.kill()
    supervisor.kill()
    eventually(lambda: stack.left_running() == [], DEATH_LIMIT_S)


def test_data_and_key_are_the_same_after_a_restart(stack: StackProcess, tmp_path: Path):
    embedded_redis(stack).set("kept", "yes")
    secret, vapid = auth_secret(stack), vapid_keys(stack)
    assert len(vapid) == 1
    assert stat.S_IMODE((tmp_path / "var" / "dev-secret").stat().st_mode) == 0o600
    stack.press_ctrl_c()
    stack.exit_code(STOP_LIMIT_S)
    with StackProcess(tmp_path / "var") as again:
        again.await_line("ready after")
        assert embedded_redis(again).get("kept") == "yes"
        assert auth_secret(again) == secret
        assert vapid_keys(again) == vapid


def test_two_stacks_on_one_redis_run_side_by_side_with_one_key(tmp_path: Path, redis_url: str):
    shared = {"REDIS_URL": redis_url}
    with StackProcess(tmp_path / "a", shared) as one, StackProcess(tmp_path / "b", shared) as two:
        one.await_line("ready after")
        two.await_line("ready after")
        assert auth_secret(one) == auth_secret(two)
        assert vapid_keys(one) == vapid_keys(two)
        assert one.processes("valkey-server") == []


def test_every_line_is_json_when_the_format_says_so(tmp_path: Path):
    with StackProcess(tmp_path / "var", {"LOG_FORMAT": "json"}) as stack:
        stack.await_line("ready after")
        stack.await_line(WEB)
        lines = [json.loads(line) for line in stack.output.splitlines()]
        assert {"part": "web", "event": WEB}.items() <= next(
            line for line in lines if line["part"] == "web"
        ).items()


def test_its_files_tell_no_secret(stack: StackProcess):
    secret = auth_secret(stack)
    run_dir = Path(stack.environ["DATA_DIR"]) / "run"
    texts = [(run_dir / name).read_text() for name in os.listdir(run_dir)]
    assert not any(secret in text for text in [*texts, stack.output])
