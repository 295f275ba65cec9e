"""People with devices, stand-ins for the providers, and workers: from a message to a screen, with real parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from chat.broker import keys
from chat.broker.push_jobs import PushJobs
from chat.model.device import Device, DeviceKind
from tests.support.push.script import Taken
from tests.support.push.servers import PushServers
from tests.support.pushing import PushScene
from tests.support.wait import eventually
from tests.support.workers import WorkerProcess

# as in production, only sooner
PACE = {
    "PUSH_GRACE_S": "0.1",
    "PUSH_SPACING_S": "0",
    "PUSH_BACKOFF_S": "0.05",
    "PUSH_SECOND_LOOK_S": "1",
    "PUSH_CIRCUIT_S": "0.5",
    "PUSH_LEASE_S": "8",
}


class PushField(PushScene):
    """`enroll_at` devices with the stand-ins, `send`; workers do the rest."""

    def __init__(self, client: redis.Redis, folder: Path, servers: PushServers, url: str) -> None:
        super().__init__(client, folder)
        self.servers, self.folder = servers, folder
        self.send_drain: Callable[[], object] = lambda: None  # a worker wakes the drain by itself, within 2 s
        self.jobs = PushJobs(client, tuple(DeviceKind))
        self.environ = {
            **servers.environ,
            **PACE,
            **{"REDIS_URL": url, "STORE_URL": f"sqlite:///{self.path}", "AUTH_MODE": "dev"},
        }

    def worker(self, queues: str, processes: int = 4, **environ: str) -> WorkerProcess:
        """Return a worker for some queues."""
        return WorkerProcess(
            {**self.environ, **environ},
            self.folder,
            queues=queues,
            processes=processes,
            name=queues.replace(",", "-"),
        )

    def enroll_at(self, kind: DeviceKind, user_id: str) -> Device:
        """Give a user a device that a stand-in reaches."""
        target = self.servers.target(kind)
        return self.devices.register(user_id, kind, target.address, target.p256dh, target.auth)

    def screen(self, device: Device) -> dict[str, dict[str, Any]]:
        """Return what a device shows, by collapse key."""
        return self.servers[device.kind].screens.get(device.address, {})

    def taken(self) -> list[Taken]:
        """Return all that the providers took on."""
        return [each for kind in DeviceKind for each in self.servers[kind].taken]

    def tries(self, device: Device) -> int:
        """Return how often a provider was asked for a device."""
        return sum(each.address == device.address for each in list(self.servers[device.kind].seen))

    def is_quiet(self) -> bool:
        """Tell whether nothing is stored, looked at or sent any more, and nothing will be."""
        names = (keys.PUSH_NEWS, keys.PUSH_AGAIN, keys.PUSH_LOOKS, *(keys.push_due(kind) for kind in DeviceKind))
        return not any(self.client.zcard(name) for name in names) and not any(self.outbox_lengths())

    def outbox_lengths(self) -> list[int]:
        """Return how many messages wait to be stored, by shard."""
        return [int(self.client.xlen(keys.outbox(shard))) for shard in range(keys.SHARDS)]

    def await_quiet(self, timeout_s: float = 60) -> None:
        """Return when all is done."""
        eventually(self.is_quiet, timeout_s=timeout_s, every_s=0.1)

    def has_job(self, device: Device) -> bool:
        """Tell whether a job waits for a device."""
        waiting: Any = self.client.zrange(keys.push_due(device.kind), 0, -1)
        return any(name.endswith(f" {device.id}".encode()) for name in waiting)

    def letters(self, kind: DeviceKind) -> dict[str, str]:
        """Return the reasons of the dead letters, by device."""
        entries: Any = self.client.xrange(keys.push_dead(kind))
        return {each[b"job"].decode().split(" ")[2]: each[b"reason"].decode() for _, each in entries}


@contextmanager
def push_field(folder: Path, url: str) -> Iterator[PushField]:
    """Open one, on a Redis that is empty."""
    with PushServers(folder / "push") as servers, redis.Redis.from_url(url) as client:
        field = PushField(client, folder, servers, url)
        yield field
        field.close()


def collapse_of_request(headers: Mapping[str, str], body: bytes) -> str:
    """Return the collapse key of a request to any of the three."""
    import json

    if topic := headers.get("topic") or headers.get("apns-collapse-id"):
        return topic
    return str(json.loads(body)["message"]["android"]["collapse_key"])
