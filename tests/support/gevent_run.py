"""Runs a function under gevent in a process of its own, because patching would change the tests too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from workers.lifeline import tied_to_me

ROOT = Path(__file__).parents[2]
RUNNER = """
from gevent import monkey; monkey.patch_all()
import importlib, json, sys
module, name, arguments = sys.argv[1:]
result = getattr(importlib.import_module(module), name)(*json.loads(arguments))
print(json.dumps(result), flush=True)
"""


class GeventRun:
    """A module-level function at work in its own process; arguments and result travel as JSON."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, function.__module__, function.__name__, json.dumps(arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=tied_to_me(signal.SIGKILL),
        )

    def first_line(self) -> str:
        """Return what the function printed first."""
        assert self._process.stdout is not None
        return str(self._process.stdout.readline()).rstrip()

    def result(self, timeout_s: float = 60) -> Any:
        """Return what the function returned; raises AssertionError with its stderr when it failed."""
        try:
            out, err = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
        if self._process.returncode != 0:
            raise AssertionError(f"exit {self._process.returncode}\n{out}\n{err}")
        return json.loads(out.splitlines()[-1])

    def __enter__(self) -> GeventRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def run_in_gevent(function: Callable[..., Any], *arguments: Any, timeout_s: float = 60) -> Any:
    """Run the function under gevent and return its result."""
    with GeventRun(function, *arguments) as run:
        return run.result(timeout_s)
