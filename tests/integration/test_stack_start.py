"""What stops a start: one line that names the setting, and nothing left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.stack_process import StackProcess

START_LIMIT_S = 15
# A stack that has no right to real time: prctl(PR_CAPBSET_DROP, CAP_SYS_NICE) takes it even from root.
WITHOUT_SYS_NICE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 23, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "workers.stack"])
"""


def refused(folder: Path, **environ: str) -> str:
    """Start a stack that must not start; return its one line."""
    with StackProcess(folder / "var", environ) as stack:
        assert stack.exit_code(START_LIMIT_S) == 2
        assert stack.left_running() == []
        lines = stack.output.splitlines()
        assert len(lines) == 1, stack.output
        return lines[0]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_one_line_names_the_setting_when_a_value_is_wrong(tmp_path: Path):
    line = refused(tmp_path, PORT="three thousand")
    assert line == "PORT is 'three thousand', which is no whole number; set a whole number from 1 to 65535"


@pytest.mark.parametrize("name", ["PORT", "FLOWER_PORT"])
def test_one_line_names_the_port_when_it_is_taken(tmp_path: Path, taken_port: int, name: str):
    line = refused(tmp_path, **{name: str(taken_port)})
    assert line.startswith(f"{name} is {taken_port}, which another program listens on;")


def test_a_port_that_is_shared_with_reuseport_counts_as_taken(tmp_path: Path):
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert "another program listens on" in refused(tmp_path, PORT=str(server.getsockname()[1]))


def test_the_embedded_port_is_named_when_it_is_taken(tmp_path: Path, taken_port: int):
    line = refused(tmp_path, EMBEDDED_REDIS_PORT=str(taken_port))
    assert line.startswith(f"EMBEDDED_REDIS_PORT is {taken_port}, which another program listens on;")


def test_the_two_ports_must_differ(tmp_path: Path):
    port = str(free_port())
    assert refused(tmp_path, PORT=port, FLOWER_PORT=port).startswith(f"FLOWER_PORT is {port}, the same as PORT;")


def test_real_time_that_is_not_permitted_is_refused(tmp_path: Path):
    environ = {**os.environ, "CPU_PRIORITY": "realtime", "DATA_DIR": str(tmp_path / "var")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SYS_NICE],
        env={**environ, "PORT": str(free_port()), "FLOWER_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=START_LIMIT_S,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("CPU_PRIORITY is realtime, which this user may not ask of the system;")


def test_an_address_of_another_machine_is_refused(tmp_path: Path):
    assert refused(tmp_path, HOST="192.0.2.7").startswith(
        "HOST is '192.0.2.7', which is no address of this machine;"
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    line = refused(tmp_path, DATA_DIR=str(tmp_path / "file" / "var"))
    assert line.startswith(f"DATA_DIR leads to {tmp_path}/file/var, which can't be written: Not a directory;")


def test_a_store_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    line = refused(tmp_path, STORE_URL=f"sqlite:///{tmp_path}/file/chat.db")
    assert line.startswith(f"STORE_URL leads to {tmp_path}/file, which can't be written: ")


def test_a_store_that_is_a_folder_is_refused(tmp_path: Path):
    line = refused(tmp_path, STORE_URL=f"sqlite:///{tmp_path}")
    assert line == f"STORE_URL leads to {tmp_path}, which can't be written; name another file"


def test_an_unreachable_redis_is_named_without_its_password(tmp_path: Path):
    port = free_port()
    line = refused(tmp_path, REDIS_URL=f"redis://joe:hush@127.0.0.1:{port}/0")
    assert line.startswith(f"REDIS_URL leads to 127.0.0.1:{port}, which can't be reached;")
    assert "hush" not in line


def test_an_unreachable_broker_is_named(tmp_path: Path, valkey_url: str):
    line = refused(tmp_path, REDIS_URL=valkey_url, CELERY_BROKER_URL=f"redis://127.0.0.1:{free_port()}/1")
    assert line.startswith("CELERY_BROKER_URL leads to 127.0.0.1:")


def test_a_redis_that_refuses_the_login_is_named(tmp_path: Path, valkey_url: str):
    line = refused(tmp_path, REDIS_URL=valkey_url.replace("//", "//joe:hush@"))
    assert "which refuses the login;" in line
    assert "hush" not in line


def test_a_second_stack_on_the_same_folder_is_refused(tmp_path: Path):
    with StackProcess(tmp_path / "var") as first:
        first.await_line("ready after")
        with StackProcess(tmp_path / "var") as second:
            assert second.exit_code(START_LIMIT_S) == 2
            [line] = second.output.splitlines()
            assert line.startswith(f"DATA_DIR is {tmp_path}/var, which another running stack uses;")
            assert second.processes("supervisord") == []
            assert first.process.poll() is None


def test_jwt_mode_without_a_key_refuses_to_start(tmp_path: Path):
    assert refused(tmp_path, AUTH_MODE="jwt").startswith("AUTH_SECRET is not set and AUTH_MODE is jwt;")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_named(tmp_path: Path):
    tmp_path.chmod(0o500)
    assert "Permission denied" in refused(tmp_path / "var")
