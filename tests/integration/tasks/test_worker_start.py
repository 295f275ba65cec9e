"""A worker that can't work says why in one line and ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"REDIS_URL": ""}, "REDIS_URL is not set; set redis://HOST:6379/0, or use `make run`"),
        (
            {"REDIS_URL": "redis://h", "DRAIN_BATCH": "many"},
            "DRAIN_BATCH is 'many', which is no whole number; set a whole number from 1 to 10000",
        ),
    ],
)
def test_a_wrong_setting_ends_the_worker_with_one_line(environ: dict[str, str], line: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker", "-Q", "persist"],
        env={**os.environ, "AUTH_MODE": "dev", "CELERY_BROKER_URL": "", **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stderr, ended.stdout) == (2, f"{line}\n", "")
