"""Ports, locks and keys that the stack settles before its start."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wait import eventually
from workers.dev_secret import dev_secret
from workers.part import hold_lock
from workers.ports import bind_fault, is_free
from workers.valkey import PORT_RANGE, pick_port, remembered_port

HOLD = "import sys; from pathlib import Path; from workers.part import hold_lock; "


def test_a_port_is_free_until_somebody_listens():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        server.listen()
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)


def test_an_unknown_host_is_a_fault():
    assert isinstance(bind_fault("no.such.host.invalid", 0), OSError)


def test_the_port_of_the_last_run_is_taken_again(tmp_path: Path):
    port = remembered_port(tmp_path / "port")
    assert port in PORT_RANGE
    assert remembered_port(tmp_path / "port") == port


def test_another_port_is_taken_when_the_last_one_is_not_free(tmp_path: Path):
    with socket.socket() as server:
        taken = pick_port()
        server.bind(("127.0.0.1", taken))
        server.listen()
        (tmp_path / "port").write_text(str(taken))
        assert remembered_port(tmp_path / "port") != taken


@pytest.mark.parametrize("text", ["", "abc", "70000"])
def test_another_port_is_taken_when_the_note_makes_no_sense(tmp_path: Path, text: str):
    (tmp_path / "port").write_text(text)
    assert remembered_port(tmp_path / "port") in PORT_RANGE


def test_a_lock_is_held_as_long_as_the_process_lives(tmp_path: Path):
    file = tmp_path / "lock"
    program = HOLD + f"hold_lock(Path({str(file)!r}), 0); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not hold_lock(file, 0.1)
        holder.kill()
    eventually(lambda: hold_lock(file, 0))


def test_a_dev_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path):
    secret = dev_secret(tmp_path, None)
    assert len(secret) >= 32
    assert dev_secret(tmp_path, None) == secret
    assert stat.S_IMODE((tmp_path / "dev-secret").stat().st_mode) == 0o600


def test_a_dev_key_that_is_too_short_is_made_anew(tmp_path: Path):
    (tmp_path / "dev-secret").write_text("short")
    assert len(dev_secret(tmp_path, None)) >= 32
