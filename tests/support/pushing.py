"""From a message to notifications, step by step in this process: a real Valkey and SQLite, providers in memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from chat.broker import keys
from chat.broker.counters import Counters
from chat.broker.members import RedisMembers
from chat.broker.outbox import Outbox
from chat.broker.presence_view import RedisPresenceView
from chat.broker.push_circuits import PushCircuits
from chat.broker.push_devices import PushDevices
from chat.broker.push_jobs import PushJobs
from chat.broker.push_news import NewsOfBatches, PushNews
from chat.broker.push_results import PushResults
from chat.broker.wake import DrainLease
from chat.model.device import Device, DeviceKind
from chat.model.push import LastResult
from chat.push.base import Delivered, Notice, NoticeKind, Result
from chat.services.devices import Devices
from chat.services.drain import Drain
from chat.services.push_choices import PushChoices
from chat.services.push_loading import Loading
from chat.services.push_looking import Looked, Looking, Surroundings
from chat.services.push_retry import RetryPolicy
from chat.services.push_sending import Places, Sending
from chat.services.push_totals import PushTotals
from chat.services.store_seen import StoreSeen
from tests.support.drainage import POLICY
from tests.support.reading import ReadingScene

FCM = DeviceKind.FCM
KEYS = {"p256dh": "p", "auth": "a"}


class MemoryProvider:
    """Answers as `decide` says, and shows what it delivered on the devices' screens."""

    def __init__(self) -> None:
        self.decide: Callable[[Device, Notice], Result] = lambda *_: Delivered()
        self.asked: list[tuple[Device, Notice]] = []
        self.screens: dict[str, dict[str, Notice]] = {}

    def push(self, device: Device, notice: Notice) -> Result:
        self.asked.append((device, notice))
        result = self.decide(device, notice)
        if isinstance(result, Delivered):
            screen = self.screens.setdefault(device.id, {})
            screen.pop(notice.collapse, None)
            if notice.kind is not NoticeKind.CLEAR:
                screen[notice.collapse] = notice
        return result

    def close(self) -> None:
        """There is nothing to close."""

    def shown(self, device: Device) -> list[Notice]:
        """Return what a device shows."""
        return list(self.screens.get(device.id, {}).values())


class PushScene(ReadingScene):
    """`enroll` devices, let people `send`, then `push`: look at rooms, and send what is due."""

    def __init__(self, client: redis.Redis, folder: Path) -> None:
        super().__init__(client, folder)
        self.providers = {kind: MemoryProvider() for kind in (FCM, DeviceKind.WEBPUSH)}
        self.marks_of_devices = PushDevices(client)
        self.devices = Devices(self.store, on_registered=self.marks_of_devices.registered)
        self.choices = PushChoices(self.store)
        self.jobs = PushJobs(client, list(self.providers))
        self.news = PushNews(client, again_s=90)
        self.circuits = PushCircuits(client, failures=3)
        self.results = PushResults(client)
        self.policy = RetryPolicy(least_s=0.0001, longest_s=0.0001)
        self.content: str = "full"
        self._threads = ThreadPoolExecutor(4)

    def enroll(self, user_id: str, name: str = "phone", kind: DeviceKind = FCM) -> Device:
        """Give a user a device."""
        return self.devices.register(user_id, kind, f"{user_id}-{name}")

    def appear(self, *user_ids: str) -> None:
        """Be online."""
        for user_id in user_ids:
            self.client.zadd(keys.presence_due(keys.shard_of(user_id)), {user_id: 1})

    def vanish(self, *user_ids: str) -> None:
        """Be gone."""
        for user_id in user_ids:
            self.client.zrem(keys.presence_due(keys.shard_of(user_id)), user_id)

    def drain(self) -> None:
        """Store what was accepted, and note it for pushes."""
        outbox = Outbox(self.client, consumer="worker", log_length=1000, news=NewsOfBatches(0))
        lease = DrainLease(self.client, "worker")
        Drain(outbox, self.store, lease, POLICY, sleep=lambda _: None, note=self.notes).run()

    def store_seen(self) -> int:
        """Store what was marked, and take back what it makes unwanted."""
        return StoreSeen(self.marks, self.store, self.jobs.withdraw).run()

    def looking(self) -> Looking:
        """Return what looks at rooms."""
        members, view = RedisMembers(self.client), RedisPresenceView(self.client)
        return Looking(
            self.news,
            Surroundings(members.members_of_many, view.online),
            self.marks_of_devices,
            self.devices,
            self.choices,
            self.unread,
            self.store,
            self.jobs,
        )

    def look(self) -> Looked:
        """Store what was said, and look at all rooms with news."""
        self.drain()
        return self.looking().run()

    def look_again(self) -> Looked:
        """Let the time of the second looks have come."""
        self._let_be_due(keys.PUSH_AGAIN)
        return self.looking().run()

    def loading(self) -> Loading:
        """Return what reads what jobs say."""
        ask = RedisMembers(self.client).ask_many
        totals = PushTotals(self.counters.totals, self.unread)
        content: object = self.content
        parts = (self.store, self.devices, self.choices, self.unread, ask, totals)
        return Loading(*parts, content=content, ttl_s=3600)  # type: ignore[arg-type]

    def send_due(self, kind: DeviceKind = FCM) -> float | None:
        """Send what is due for one provider; return in how many seconds it is to be done again."""
        places = Places(self.devices.drop, self.results.write, Counters(self.client).add_work)
        lease = DrainLease(self.client, "sender", key=keys.push_lease(kind))
        parts = (self.jobs, self.loading(), self.circuits, places, lease, self._threads)
        return Sending(kind, self.providers[kind], *parts, policy=self.policy, batch=8).run()

    def push(self) -> None:
        """Do all of it."""
        self.look()
        for kind in self.providers:
            self.send_due(kind)

    def shown(self, device: Device) -> list[Notice]:
        """Return what a device shows."""
        return self.providers[device.kind].shown(device)

    def asked(self, kind: DeviceKind = FCM) -> list[tuple[Device, Notice]]:
        """Return what a provider was asked so far."""
        return self.providers[kind].asked

    def counted(self, name: str) -> int:
        """Return a figure."""
        return int(self.client.hget(keys.WORK_STATS, name) or 0)

    def waiting(self) -> int:
        """Return how many jobs wait."""
        return sum(self.jobs.waiting().values())

    def make_due(self, kind: DeviceKind = FCM) -> None:
        """Let what waits for its next try have waited long enough."""
        self._let_be_due(keys.push_due(kind))

    def result(self, device: Device) -> LastResult:
        """Return the last result of a device, without its time."""
        return LastResult("", *_without_time(self.results.read([device.id])[device.id]))

    def refreshed(self, device: Device) -> Device:
        """Register a device once more."""
        return replace(
            device, refreshed_at=self.devices.register(device.user_id, device.kind, device.address).refreshed_at
        )

    def _let_be_due(self, name: str) -> None:
        waiting: Any = self.client.zrange(name, 0, -1)
        if waiting:
            self.client.zadd(name, dict.fromkeys(waiting, 1))

    def close(self) -> None:
        """Let go of the store and the threads."""
        self._threads.shutdown()
        super().close()


def _without_time(result: LastResult) -> tuple[str, str | None]:
    return result.result, result.reason
