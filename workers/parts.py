"""The table of the parts that `make run` keeps running: one row per process."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from config.settings import Settings
from workers.scheduling import Turns

PARTS_FILE = "CHAT_PARTS_FILE"  # environment variable that leads a part to its row
SUPERVISOR_PID_FILE = "supervisord.pid"  # beside the table
STOP_WAIT_S = 10  # a part that has not left by then is killed
GROUPS = ("web", "jobs", "data")  # stopped in this order

# Celery warns a root user on every start; inside a container that is the usual case.
PYTHON_CELERY = (sys.executable, "-W", "ignore:You're running the worker", "-m", "celery", "--quiet")
CELERY = (*PYTHON_CELERY, "-A", "workers.celery_app")
WORKER_FLAGS = ("--prefetch-multiplier", "1", "-E", "--without-gossip", "--without-mingle", "-l", "WARNING")
PUSH_PROCESSES = 4  # one for each provider, and one for looks and test pushes
# Where cores are scarce, messages are shown first and stored a little later: a tenth of a core is left for that.
JOB_TURNS = Turns(niceness=10, slice_ms=100)
CHAT_TURNS = Turns(slice_ms=0.2)
NORMAL = Turns()
FLOWER_TASKS_KEPT = 10_000  # Flower holds them in memory
# said at every orderly stop; said by Flower at every start, where it asks workers that are not up yet
JOB_NOISE = ("worker: Warm shutdown", "Inspect method ")


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack."""

    name: str
    group: str  # one of GROUPS
    command: tuple[str, ...]
    await_redis_s: float = 0  # it starts when Redis answers, or after so long
    stop_wait_s: int = STOP_WAIT_S
    turns: Turns = NORMAL
    death_signal: str = "SIGKILL"  # what it gets when the supervisor dies without stopping it
    lock_file: str | None = None  # held while it lives: two never work on one folder
    noise: tuple[str, ...] = ()  # its lines with one of these in them say nothing to act on


def chat_parts(settings: Settings, valkey: Part | None) -> list[Part]:
    """Return every part of the chat; `valkey` is the embedded Redis, None when there is another."""
    turns = replace(CHAT_TURNS, is_realtime=settings.cpu_priority == "realtime")
    return [
        # what Valkey forks writes files for seconds
        *([replace(valkey, turns=replace(turns, forks_normal=True))] if valkey else []),
        _worker(settings, "persist", ["persist"], settings.path.worker_concurrency),
        _worker(settings, "background", ["seen", "unread", "maintenance"], 2),
        # of its own: a provider that hangs holds up nothing else
        _worker(settings, "push", ["push"], PUSH_PROCESSES),
        _job("beat", "beat", "-S", "redbeat.RedBeatScheduler", "--pidfile=", "-l", "WARNING"),
        _flower(settings),
        *(_web(number, settings, turns) for number in range(1, settings.web.processes + 1)),
    ]


def save_parts(parts: Sequence[Part], file: Path) -> None:
    """Write the table for the parts to read."""
    file.write_text(json.dumps({part.name: asdict(part) for part in parts}, indent=1))


def load_part(name: str, file: Path) -> Part:
    """Return one row of the table."""
    row = json.loads(file.read_text())[name]
    own = {"command": tuple(row["command"]), "noise": tuple(row["noise"]), "turns": Turns(**row["turns"])}
    return Part(**{**row, **own})


def _web(number: int, settings: Settings, turns: Turns) -> Part:
    # soon after its start even without Redis, so that /healthz and /readyz can say what is wrong
    command = (sys.executable, "app.py")
    wait_s = int(settings.web.shutdown_grace_s) + 3
    return Part(f"web-{number}", "web", command, await_redis_s=10, stop_wait_s=wait_s, turns=turns)


def _worker(settings: Settings, name: str, queues: Sequence[str], processes: int) -> Part:
    node = f"{name}-{settings.web.port}@%h"  # unique among the stacks that share a broker
    flags = ("-Q", ",".join(queues), "-n", node, "-c", str(processes), *WORKER_FLAGS)
    return _job(f"worker-{name}", "worker", *flags)


def _flower(settings: Settings) -> Part:
    places = ("--address=127.0.0.1", f"--port={settings.flower_port}")
    return _job(
        "flower",
        "flower",
        *places,
        "--persistent=False",
        f"--max_tasks={FLOWER_TASKS_KEPT}",
        "--logging=warning",
    )


def _job(name: str, *arguments: str) -> Part:
    return Part(name, "jobs", (*CELERY, *arguments), await_redis_s=60, turns=JOB_TURNS, noise=JOB_NOISE)
