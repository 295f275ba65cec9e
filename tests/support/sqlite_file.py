"""An SQLite file as others see it: its rows, and programs that use it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from chat.store.base import Outcome

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Do these on a connection of one's own; return the rows of the last one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        return rows


def types(outcomes: list[Outcome]) -> list[type[Outcome]]:
    """Return what became of each write."""
    return [type(outcome) for outcome in outcomes]


def run(program: str, *args: object) -> str:
    """Run a program in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
