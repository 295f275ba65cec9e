"""Beats as nodes: pytest-celery knows containers of every kind, but has none for beat."""

from __future__ import annotations

from pytest_celery import CeleryTestNode  # type: ignore[import-untyped]

from tests.support.celery_nodes.container import LocalContainer
from workers.parts import PYTHON_CELERY

APP = "tests.support.celery_nodes.quick_beat"
QUEUE = "maintenance"


class BeatContainer(LocalContainer):
    """Runs beat as `make run` does, with the app of `quick_beat.py`."""

    @property
    def ready_prompt(self) -> str:
        """What a beat says before it asks for the lock."""
        return "beat: Starting..."

    @classmethod
    def command(cls, *args: str, debugpy: bool = False, wait_for_client: bool = True, **kwargs: dict) -> list[str]:
        """Return the command line."""
        return [*PYTHON_CELERY, "-A", APP, "beat", "-S", "redbeat.RedBeatScheduler", "--pidfile=", *args]


class Beat(CeleryTestNode):  # type: ignore[misc]
    """One of the beats that share a lock."""

    @property
    def leads(self) -> bool:
        """Whether it has got the lock since it was started last."""
        return "beat: Acquired lock" in self.container.process.logs_of_this_start()

    @property
    def ticks(self) -> int:
        """How many tasks it has sent since it was started last."""
        return int(self.container.process.logs_of_this_start().count("Sending due task"))
