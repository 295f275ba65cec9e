"""Other processes that use the same store at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .conftest import Adapter

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
PROCESSES = 4
OPEN = """
import json, multiprocessing, os, signal, sys
from chat.errors import CasMismatch, StoreUnavailable
from chat.store.base import Insert, Kind, Raise
from chat.store.url import open_store

def opened(url):
    store = open_store(url)
    for tries_left in reversed(range(10)):  # processes that connect at once are slow on a busy machine
        try:
            store.ping()
            return store
        except StoreUnavailable:
            if not tries_left:
                raise
"""
ALONE = """
store, me, result = opened(sys.argv[1]), "0", []
print("ready", flush=True)
sys.stdin.readline()
"""
TOGETHER = """
url, count, program = sys.argv[1], int(sys.argv[2]), compile(sys.argv[3], "program", "exec")
forking = multiprocessing.get_context("fork")  # loading the driver takes a second: once for all
everyone = forking.Barrier(count)

def run(me):
    names = globals() | {"store": opened(url), "me": str(me), "result": []}
    everyone.wait(60)
    exec(program, names)
    return names["result"]

with forking.Pool(count) as pool:
    print(json.dumps(pool.map(run, range(count), chunksize=1)))
"""


def start(adapter: Adapter, program: str) -> subprocess.Popen[str]:
    """Start a process that has the store open and waits for a line before it runs the program."""
    child = _python(f"{OPEN}{ALONE}{program}\nprint(json.dumps(result))", adapter.url)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def in_processes(adapter: Adapter, program: str) -> list[Sequence[str]]:
    """Run the program in several processes at once and return their results in order."""
    with _python(OPEN + TOGETHER, adapter.url, str(PROCESSES), program) as parent:
        told = parent.communicate(timeout=DEADLINE_S)[0]
    assert parent.returncode == 0
    results: list[Sequence[str]] = json.loads(told)
    return results


def _python(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
