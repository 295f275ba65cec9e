"""Calls in threads of the operating system."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from chat.store.couchbase.native import Background, all_at_once

ROOT = Path(__file__).parents[4]


def test_a_call_runs_on_while_nobody_waits_for_it() -> None:
    gate = threading.Event()
    background = Background(lambda: gate.wait(10) and "done")

    assert not background.wait(0.01)
    assert not background.is_done
    gate.set()
    assert background.wait(10)
    assert background.wait(0)
    assert (background.is_done, background.result()) == (True, "done")


def test_its_error_is_the_waiters() -> None:
    background = Background(partial(int, "x"))

    assert background.wait(10)
    with pytest.raises(ValueError, match="invalid literal"):
        background.result()


def test_all_calls_run_together_and_answer_in_order() -> None:
    together = threading.Barrier(3, timeout=10)

    assert all_at_once([partial(lambda n: (together.wait(), n)[1], n) for n in range(3)]) == [0, 1, 2]
    assert all_at_once([]) == []


def test_the_threads_are_native_where_gevent_has_replaced_them() -> None:
    program = """
from gevent import monkey; monkey.patch_all()
import gevent, time
from chat.store.couchbase.native import Background, all_at_once
from gevent.threadpool import ThreadPool
sleep = monkey.get_original("time", "sleep")
begun = time.monotonic()
ThreadPool(1).apply(all_at_once, ([lambda: sleep(0.5)] * 4,))  # one after the other they take 2 s
print(time.monotonic() - begun < 1.5)
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("True\n", "")
