"""The chat's own worker as pytest-celery's worker."""

from __future__ import annotations

from typing import Any

import celery
from pytest_celery import CeleryTestWorker, CeleryWorkerContainer  # type: ignore[import-untyped]

from tests.support.celery_nodes.container import LocalContainer
from tests.support.celery_nodes.process import ROOT
from workers.parts import CELERY, WORKER_FLAGS

PROCESSES = 2
SETTINGS = {
    "AUTH_MODE": "dev",
    "RECLAIM_IDLE_S": "1",  # in production the dead are inherited later
    "PYTHONPATH": str(ROOT),  # pytest-celery would set the folder of its image
}


class ChatWorkerContainer(LocalContainer, CeleryWorkerContainer):  # type: ignore[misc]
    """Runs `workers.celery_app` with the flags of `make run`."""

    @property
    def ready_prompt(self) -> str:
        """Celery's last word before it consumes."""
        return f"{self.worker_name()}@{self.process.hostname} ready."

    @classmethod
    def version(cls) -> str:
        """Return the version of Celery, which is that of the tests."""
        return celery.__version__

    @classmethod
    def worker_name(cls) -> str:
        """Return the part of the node's name before the `@`."""
        return "chat"

    @classmethod
    def worker_queue(cls) -> str:
        """Return the queue it consumes from."""
        return "persist"

    @classmethod
    def command(cls, *args: str, debugpy: bool = False, wait_for_client: bool = True, **kwargs: dict) -> list[str]:
        """Return the command line."""
        node = ("-n", f"{cls.worker_name()}@%h", "-c", str(PROCESSES))
        return [*CELERY, "worker", "-Q", cls.worker_queue(), *node, *WORKER_FLAGS, *args]

    @classmethod
    def initial_env(cls, celery_worker_cluster_config: dict, initial: dict | None = None) -> dict:
        """Return the settings: pytest-celery names the broker, `initial` has what only the test knows."""
        env: dict[str, Any] = super().initial_env(celery_worker_cluster_config, {**SETTINGS, **(initial or {})})
        return env


class ChatWorker(CeleryTestWorker):  # type: ignore[misc]
    """A worker whose processes are those of its group, not those of a namespace."""

    def get_running_processes_info(
        self, columns: list[str] | None = None, filters: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return `columns` (names of psutil) of the main process and its children."""
        rows = [each.as_dict(columns) for each in self.container.process.processes()]
        wanted = (filters or {}).items()
        return [row for row in rows if all(row.get(name) == value for name, value in wanted)]

    @property
    def main_pid(self) -> int | None:
        """The id of the main process, None when it has ended."""
        return self.container.process.pid

    @property
    def children(self) -> list[int]:
        """The ids of the processes that run tasks."""
        return [row["pid"] for row in self.get_running_processes_info(["pid"]) if row["pid"] != self.main_pid]
