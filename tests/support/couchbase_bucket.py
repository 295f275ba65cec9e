"""One bucket of a running CouchbaseMock: where it is, the faults it can be told to have, and what reached it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

FOR_EVER = -1  # as a count of operations that fail
LOG_TRIES = 20  # of reading a node's log of commands


class Commands(Protocol):
    """What a bucket needs of its mock."""

    def command(self, name: str, **parameters: object) -> Any:
        """Send one of the mock's own commands and return its answer."""

    def order(self, order: str) -> str:
        """Have the launcher do something."""

    def get(self, path: str) -> bytes:
        """Ask something of Couchbase's REST interface."""

    def post(self, path: str) -> None:
        """Send an order of Couchbase's REST interface."""


class Status(IntEnum):
    """What a node may answer instead of doing what it is asked."""

    TOO_LARGE = 0x03
    AUTH_ERROR = 0x20
    NO_MEMORY = 0x82
    BUSY = 0x85
    TEMPORARY_FAILURE = 0x86


class Operation(IntEnum):
    """Operations of the binary protocol that a chat's store may use, with their codes."""

    GET = 0x00
    SET = 0x01
    ADD = 0x02
    REPLACE = 0x03
    DELETE = 0x04
    SASL_AUTH = 0x21
    OBSERVE_SEQNO = 0x91  # which copies have a write: how durability is asked for afterwards
    OBSERVE = 0x92
    GET_LOCKED = 0x94
    SUBDOC_GET = 0xC5
    SUBDOC_MULTI_LOOKUP = 0xD0
    SUBDOC_MULTI_MUTATION = 0xD1


# HELLO, the logins, SELECT_BUCKET, GET_ERRMAP, GET_CLUSTER_CONFIG and NOOP: no document is touched by them.
UPKEEP = frozenset({0x0A, 0x1F, 0x20, 0x21, 0x22, 0x89, 0xB5, 0xFE})


@dataclass(frozen=True, slots=True)
class MockBucket:
    """One bucket of a running mock."""

    mock: Commands
    name: str
    ports: tuple[int, ...]  # the key-value port of each node, also of those that failed over

    @property
    def url(self) -> str:
        """The address as `STORE_URL` takes it; over key-value ports any login is let in."""
        return f"couchbase://{self.name}:secret@127.0.0.1:{self.ports[0]}/{self.name}"

    def failover(self, node: int) -> None:
        """Take a node out; replicas of what it held become active."""
        self.mock.order(f"failover {self.name} {node}")

    def respawn(self, node: int) -> None:
        """Put a node that failed over back, with its share of the documents."""
        self.mock.order(f"respawn {self.name} {node}")

    def fail(
        self,
        status: Status,
        count: int = FOR_EVER,
        nodes: Sequence[int] | None = None,
        operation: Operation | None = None,
    ) -> None:
        """Answer the next `count` operations of each node with `status`."""
        only = {} if operation is None else {"operation": int(operation)}
        self.mock.command(
            "opfail", bucket=self.name, code=int(status), count=count, servers=self._of(nodes), **only
        )

    def work(self) -> None:
        """End what `fail` began."""
        self.mock.command("opfail", bucket=self.name, code=0, count=0, servers=self._of(None))

    @contextmanager
    def failing(self, status: Status, operation: Operation | None = None) -> Iterator[None]:
        """Answer every operation (or every one of a sort) with `status` for a while."""
        self.fail(status, operation=operation)
        try:
            yield
        finally:
            self.work()

    def flush(self) -> None:
        """Remove every document."""
        self.mock.post(f"/pools/default/buckets/{self.name}/controller/doFlush")

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Count the operations on documents that reach the nodes; the counts are there when it ends."""
        counts: Counter[str] = Counter()
        nodes = range(len(self.ports))
        for node in nodes:
            self.mock.command("start_cmdlog", bucket=self.name, idx=node)
        try:
            yield counts
        finally:
            for node in nodes:
                log = self._log(node)
                counts.update(_name_of(code) for entry in log if (code := entry["opcode"] & 0xFF) not in UPKEEP)
                self.mock.command("stop_cmdlog", bucket=self.name, idx=node)

    def _log(self, node: int) -> list[dict[str, Any]]:
        # The mock does not lock its list: where a command comes while it is read, there is no answer.
        for _ in range(LOG_TRIES - 1):
            try:
                return self._log_now(node)
            except RuntimeError as error:
                if "ConcurrentModificationException" not in str(error):
                    raise
        return self._log_now(node)

    def _log_now(self, node: int) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self.mock.command("get_cmdlog", bucket=self.name, idx=node)
        return log

    def _of(self, nodes: Sequence[int] | None) -> list[int]:
        return list(range(len(self.ports)) if nodes is None else nodes)


def _name_of(code: int) -> str:
    return Operation(code).name if code in set(Operation) else hex(code)
