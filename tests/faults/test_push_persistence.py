"""A push provider that hangs delays no message: pushes have a queue and a worker of their own.

How long messages take is measured with LONG_FAULTS=1 only; without it a test looks at where the work is done.
"""

from __future__ import annotations

import os
import re
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from chat.broker import keys
from chat.broker.wake import wake_drain
from chat.model.device import DeviceKind
from tests.support.chat_system import paced
from tests.support.push.script import HANG
from tests.support.push_field import PushField, push_field
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually
from tests.support.workers import WorkerProcess

pytestmark = pytest.mark.fault

IS_LONG = os.environ.get("LONG_FAULTS") == "1"
DEVICES = 48
ROUNDS, MESSAGES_PER_ROUND, PAUSE_S = 10, 200, 0.02
WARM_UP = 20  # messages of each round that are not counted


@pytest.fixture
def field(tmp_path: Path) -> Iterator[PushField]:
    """One room whose members' providers hang, and one whose members have no devices."""
    with ValkeyProcess() as valkey, push_field(tmp_path, valkey.url) as field:
        owners = [f"owner{number}" for number in range(DEVICES)]
        for number, user_id in enumerate(owners):
            field.enroll_at(list(DeviceKind)[number % 3], user_id)
        field.make("hanging", ("ann", *owners))
        field.make("quiet", ("ann", *(f"plain{number}" for number in range(DEVICES))))
        for kind in DeviceKind:
            field.servers[kind].answer_all(HANG)
        yield field


def test_no_push_is_done_where_messages_are_stored_when_providers_hang(field: PushField) -> None:
    with field.worker("persist", processes=2) as persist, field.worker("push") as push:
        field.send("hanging", "ann")
        eventually(lambda: all(field.servers[kind].seen or field.servers.fcm.oauth.seen for kind in DeviceKind), 40)
        assert ports_of(push) & provider_ports(field)
        for number in range(50):
            field.send("hanging", "ann", f"m{number}")
        eventually(lambda: not any(field.outbox_lengths()), timeout_s=20)
        assert not ports_of(persist) & provider_ports(field)
        assert field.waiting() >= DEVICES  # nobody was reached, and nobody is forgotten
        assert not any(b"tasks.push" in task for task in field.client.lrange("persist", 0, -1))


def provider_ports(field: PushField) -> set[int]:
    return {server.server_address[1] for server in field.servers.servers}


def ports_of(worker: WorkerProcess) -> set[int]:
    """Return the ports that a worker and its children are connected to."""
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    remote = {row.split()[9]: int(row.split()[2].rpartition(":")[2], 16) for row in table}
    inodes: set[str] = set()
    for pid in (worker.pid, *worker.children):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
            except OSError:  # closed meanwhile
                continue
    return {remote[inode] for inode in inodes & remote.keys()}


class Stopwatch:
    """From sending a message to its sender's confirmation, one after the other, as a server has it."""

    def __init__(self, client: redis.Redis) -> None:
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(keys.user_channel("ann"))
        self._confirmed: dict[tuple[str, int], float] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._is_over.is_set():
            found: Any = self._pubsub.get_message(timeout=0.2)
            if found and found["data"].startswith(b"confirmed "):
                _, _, room_id, *seqs = found["data"].split(b"\n", 1)[0].decode().split(" ")
                for seq in seqs:
                    self._confirmed[room_id, int(seq)] = time.perf_counter()

    def times_ms(self, field: PushField, room_id: str) -> list[float]:
        """Send some messages at a steady pace and return how long each took."""
        began: dict[int, float] = {}
        for _ in paced(MESSAGES_PER_ROUND, PAUSE_S):
            at = time.perf_counter()
            began[field.send(room_id, "ann")] = at
            wake_drain(field.client, field.send_drain)
        eventually(lambda: all((room_id, seq) in self._confirmed for seq in began), timeout_s=30)
        return [(self._confirmed[room_id, seq] - at) * 1000 for seq, at in list(began.items())[WARM_UP:]]

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._pubsub.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not IS_LONG, reason="measures; LONG_FAULTS=1 runs it")
def test_messages_are_confirmed_as_fast_when_providers_hang(
    field: PushField, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in field.environ.items():
        monkeypatch.setenv(name, value)
    from config.settings import load_settings
    from workers.celery_app import make_app

    app = make_app(load_settings(os.environ))
    field.send_drain = lambda: app.send_task("tasks.persist.drain", retry=False)
    watch = Stopwatch(field.client)
    times: dict[str, list[float]] = {"quiet": [], "hanging": []}
    try:
        with field.worker("persist", processes=1), field.worker("push"):
            for number in range(ROUNDS):
                for room_id in ("quiet", "hanging") if number % 2 else ("hanging", "quiet"):
                    if room_id == "quiet":
                        rest(field)
                    else:
                        hang(field)
                    times[room_id] += watch.times_ms(field, room_id)
    finally:
        watch.close()
    p99 = {name: statistics.quantiles(each, n=100)[98] for name, each in times.items()}
    p50 = {name: statistics.median(each) for name, each in times.items()}
    print(f"{len(times['quiet'])} messages each: p50 {p50}, p99 {p99}, ratio {p99['hanging'] / p99['quiet']:.2f}")
    assert p99["hanging"] <= 1.2 * p99["quiet"]


def rest(field: PushField) -> None:
    """Let no push be under way, and none be due."""
    forget(field)
    eventually(lambda: not any(field.client.exists(keys.push_lease(kind)) for kind in DeviceKind), timeout_s=60)
    forget(field)


def hang(field: PushField) -> None:
    """Let each provider have pushes under way that do not come back."""
    forget(field)
    asked = {kind: len(field.servers[kind].seen) + len(field.servers.fcm.oauth.seen) for kind in DeviceKind}
    field.send("hanging", "ann")
    wake_drain(field.client, field.send_drain)
    eventually(
        lambda: all(
            len(field.servers[kind].seen) + len(field.servers.fcm.oauth.seen) > asked[kind] for kind in DeviceKind
        ),
        timeout_s=40,
    )


def forget(field: PushField) -> None:
    """Take back all pushes and let every circuit be closed."""
    field.client.delete(keys.PUSH_NEWS, keys.PUSH_FROM, keys.PUSH_UPTO, keys.PUSH_AGAIN, keys.PUSH_SPANS)
    for kind in DeviceKind:
        field.client.delete(keys.push_due(kind), keys.push_jobs(kind))
        for name in (kind, f"{kind}@127.0.0.1"):
            field.client.delete(keys.push_circuit(name))
        shown: Any = field.client.keys(f"chat:push:shown:{{{kind}}}:*")
        if shown:
            field.client.delete(*shown)
