"""What all our containers have in common: pytest-celery's own class, around a process."""

from __future__ import annotations

from pytest_celery import CeleryTestContainer  # type: ignore[import-untyped]
from pytest_docker_tools.exceptions import ContainerFailed  # type: ignore[import-untyped]

from tests.support.celery_nodes.process import ProcessContainer
from tests.support.wait import eventually

READY_TIMEOUT_S = 30.0


class LocalContainer(CeleryTestContainer):  # type: ignore[misc]
    """Goes before a container class of pytest-celery among the bases: `class Ours(LocalContainer, Theirs)`."""

    _container: ProcessContainer

    def ready(self) -> bool:
        """Wait for the prompt of this start; what pytest-celery checks itself comes after.

        On its own it looks at the whole log, where a restarted one has been ready long ago.
        """
        eventually(self._has_prompted, READY_TIMEOUT_S)
        return bool(super().ready())

    def teardown(self) -> None:
        """End the process; a fixture of pytest-celery may do so twice."""
        self._container.remove()

    def freeze(self) -> None:
        """Stop the process and its children in their tracks."""
        self._container.pause()

    def thaw(self) -> None:
        """Let frozen ones go on."""
        self._container.unpause()

    @property
    def exit_code(self) -> int | None:
        """How the process ended, None while it runs."""
        return self._container.exit_code

    @property
    def process(self) -> ProcessContainer:
        """The process."""
        return self._container

    def _has_prompted(self) -> bool:
        log = self._container.logs_of_this_start()
        if self._container.status == "exited":
            raise ContainerFailed(self, f"{self.name} ended before it was ready:\n{log[-2000:]}")
        return (self.ready_prompt or "") in log
