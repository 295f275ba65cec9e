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
PROCESSES = 8
PROGRAM = """
import json, os, signal, sys
from chat.errors import CasMismatch, StoreUnavailable
from chat.store.base import Insert, Kind, Raise
from chat.store.url import open_store
url, me = sys.argv[1:]
store = open_store(url)
for tries_left in reversed(range(10)):  # eight processes that connect at once are slow on a busy machine
    try:
        store.ping()
        break
    except StoreUnavailable:
        if not tries_left:
            raise
result = []
print("ready", flush=True)
sys.stdin.readline()
"""


def start(adapter: Adapter, program: str, processes: int = PROCESSES) -> list[subprocess.Popen[str]]:
    """Start processes that have the store open and wait for a line before they run the program."""
    command = [sys.executable, "-c", f"{PROGRAM}{program}\nprint(json.dumps(result))", adapter.url]
    children = [
        subprocess.Popen(
            [*command, str(me)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for me in range(processes)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    return children


def in_processes(adapter: Adapter, program: str) -> list[Sequence[str]]:
    """Run the program in several processes at once and return their results in order."""
    children = start(adapter, program)
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    results = [json.loads(child.communicate(timeout=DEADLINE_S)[0]) for child in children]
    assert {child.returncode for child in children} == {0}
    return results
