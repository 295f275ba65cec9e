"""What has to be true before the stack starts; each fault is one line that names the setting to mend."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from config.env import SettingError, shown
from config.settings import Settings
from config.urls import place_of
from workers import scheduling
from workers.ports import bind_fault
from workers.redis_probe import probe

REDIS_WAIT_S = 5.0  # a Redis that is started at the same time may need a moment
RETRY_EVERY_S = 0.2
STORE_WAIT_S = 12.0  # the check's own timeouts, on a busy machine
STORE_CHECK = (sys.executable, "-m", "chat.store", "check", "--quiet")
ROOT = Path(__file__).resolve().parent.parent


def check_folder(name: str, folder: Path) -> None:
    """Make the folder where it is missing and write into it."""
    mend = f"set {name} to a place that this user can write to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise SettingError(name, f"leads to {folder}, which can't be written: {fault.strerror}", mend) from None


def check_ports(settings: Settings) -> None:
    """Make sure that both servers can listen."""
    if settings.web.port == settings.flower_port:
        raise SettingError("FLOWER_PORT", f"is {settings.flower_port}, the same as PORT", "set another one")
    check_port("PORT", settings.web.host, settings.web.port)
    check_port("FLOWER_PORT", "127.0.0.1", settings.flower_port)


def check_port(name: str, host: str, port: int) -> None:
    """Make sure that a server can listen on `host`:`port`."""
    fault = bind_fault(host, port)
    if fault is None:
        return
    if isinstance(fault, socket.gaierror) or fault.errno == errno.EADDRNOTAVAIL:
        raise SettingError("HOST", f"is {shown(host)}, which is no address of this machine", "set 127.0.0.1")
    if fault.errno == errno.EADDRINUSE:
        raise SettingError(name, f"is {port}, which another program listens on", f"stop it or set another {name}")
    raise SettingError(name, f"is {port}, which can't be listened on: {fault.strerror}", f"set another {name}")


def check_priority(settings: Settings) -> None:
    """Make sure that real time is permitted where it is asked for."""
    if settings.cpu_priority == "realtime" and not scheduling.is_realtime_permitted():
        mend = "start as root or with CAP_SYS_NICE, or leave it out"
        raise SettingError("CPU_PRIORITY", "is realtime, which this user may not ask of the system", mend)


def lock_data(data_dir: Path) -> int:
    """Take the folder for this stack alone; return the descriptor that holds the lock while it is open."""
    lock = os.open(data_dir / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        fault = f"is {data_dir}, which another running stack uses"
        raise SettingError("DATA_DIR", fault, "stop that one or set another DATA_DIR") from None
    return lock


def check_redis(name: str, url: str, wait_s: float = REDIS_WAIT_S) -> None:
    """Make sure that Redis answers within `wait_s`."""
    deadline = time.monotonic() + wait_s
    while fault := probe(url, timeout_s=max(0.1, deadline - time.monotonic())):
        if time.monotonic() + RETRY_EVERY_S >= deadline or "login" in fault:
            raise SettingError(name, f"leads to {place_of(url)}, which {fault}", f"start that Redis or mend {name}")
        time.sleep(RETRY_EVERY_S)


def check_store(settings: Settings, environ: Mapping[str, str]) -> None:
    """Make sure that the document file can be written, or made, or that the cluster takes us."""
    file = settings.store.sqlite_path
    if file is None:
        raise_fault(ask_store(environ))
        return
    check_folder("STORE_URL", file.parent)
    if file.is_dir() or (file.exists() and not os.access(file, os.W_OK)):
        raise SettingError("STORE_URL", f"leads to {file}, which can't be written", "name another file")


def ask_store(environ: Mapping[str, str], wait_s: float = STORE_WAIT_S) -> str:
    """Return the first fault that a check of the store finds, or nothing.

    It runs in a process of its own: the SDK's threads and memory are none that every part should be forked from.
    """
    try:
        told = subprocess.run(STORE_CHECK, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=wait_s)
    except subprocess.TimeoutExpired:
        return f"STORE_URL leads to a cluster that did not answer within {wait_s:g} s; start it or mend STORE_URL"
    if told.returncode == 0:
        return ""
    lines = told.stderr.strip().splitlines()
    # what begins with no setting is a crash of the check itself: its last line says most
    faults = [line for line in lines if line.startswith("STORE_")]
    return (faults or [f"STORE_URL could not be checked: {(lines or ['no word'])[-1]}; mend STORE_URL"])[0]


def raise_fault(line: str) -> None:
    """Raise the fault that a line tells: the setting, what is wrong and behind the last semicolon the mend."""
    if not line:
        return
    name, _, rest = line.partition(" ")
    fault, _, mend = rest.rpartition("; ")
    raise SettingError(name, fault, mend)
