"""While a worker serves a queue, what waits for it is done, without beat and a server.

Likewise what a dead server had stored and not told is told.

A wake-up can be lost with a killed worker, a killed server or a wiped broker; the outbox is not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import redis
from celery import bootsteps
from kombu.exceptions import OperationalError

from chat.broker import keys
from chat.broker.client import RedisAddress, connect
from chat.broker.events import RedisEvents
from chat.broker.marks import Recounts, threads, unstored
from chat.broker.outbox import Outbox
from chat.broker.push_circuits import PushCircuits
from chat.broker.push_jobs import PushJobs
from chat.broker.push_news import PushNews
from chat.broker.wake import wake_drain
from chat.errors import BrokerUnavailable
from chat.model.clock import now_ms
from chat.model.device import DeviceKind
from chat.services.announcing import OVERDUE_S
from config.settings import load_settings
from tasks.context import redis_address
from tasks.maintenance import send_announce_overdue
from tasks.persist import send_drain
from tasks.push import send_notify, send_push
from tasks.push_context import kinds_of
from tasks.seen import send_seen
from tasks.threads import send_threads
from tasks.unread import send_recount

EVERY_S = 2.0
TIMEOUT_S = 0.5  # it runs on the worker's own loop, which must not stand still for long
QUEUES = ("persist", "seen", "unread", "push", "maintenance")
Look = tuple[Callable[[], bool], Callable[[], object], str]  # whether something waits, the wake-up, its lease
log = logging.getLogger(__name__)


class SelfHeal(bootsteps.StartStopStep):  # type: ignore[misc]
    """Looks at the outbox at the start of the consumer and every `EVERY_S` from then on."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None
        self._watch: Watch | None = None

    def start(self, consumer: Any) -> None:
        """Begin, also after the broker was lost and found again."""
        queues = [name for name in QUEUES if name in consumer.app.amqp.queues.consume_from]
        if not queues:
            return
        settings = load_settings(os.environ)
        self._watch = Watch(redis_address(settings), queues, kinds_of(settings))
        self._watch.look(is_first=True)
        self._timer = consumer.timer.call_repeatedly(EVERY_S, self._watch.look)

    def stop(self, _consumer: Any) -> None:
        """End until the next start."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None:
            self._watch.close()
            self._watch = None


class Watch:
    """Wakes the drain when something waits, and the sweep; says once that it can't, and once that it can again."""

    def __init__(
        self,
        address: RedisAddress,
        queues: Collection[str] = QUEUES,
        kinds: Collection[DeviceKind] = (),  # of devices that are pushed to
    ) -> None:
        self._client = connect(RedisAddress(address.url, TIMEOUT_S, TIMEOUT_S), size=2)
        outbox = Outbox(self._client, consumer="watch", log_length=1)
        looks: dict[str, Look] = {
            "persist": (lambda: any(outbox.lengths()), send_drain, keys.DRAIN_LEASE),
            "seen": (lambda: bool(unstored(self._client).waiting()), send_seen, keys.SEEN_LEASE),
            "unread": (lambda: bool(Recounts(self._client).waiting()), send_recount, keys.RECOUNT_LEASE),
            "maintenance": (lambda: bool(threads(self._client).waiting()), send_threads, keys.THREADS_LEASE),
        }
        self._looks = [looks[name] for name in queues if name in looks]
        if "push" in queues:
            self._looks += _push_looks(self._client, kinds)
        self._events = RedisEvents(self._client, log_length=1) if "persist" in queues else None
        self._is_blind = False

    def look(self, is_first: bool = False) -> None:
        """Wake the drain if something waits; the first time even if a lease says that one is at work.

        Its holder may be the very worker that was killed and started again.
        """
        try:
            for is_waiting, send, lease in self._looks:
                if is_waiting():
                    wake_drain(self._client, send, is_forced=is_first, lease=lease)
            if self._events is not None and self._events.count_overdue(OVERDUE_S):
                send_announce_overdue()
        except (BrokerUnavailable, OperationalError, OSError) as exc:
            if not self._is_blind:
                log.warning("outbox-not-seen", extra={"error": str(exc), "action": "look again"})
            self._is_blind = True
            return
        if self._is_blind:
            log.info("outbox-seen-again")
        self._is_blind = False

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _push_looks(client: redis.Redis, kinds: Collection[DeviceKind]) -> list[Look]:
    """Return what pushes wait for: rooms to be looked at, and jobs of providers that are asked at the moment."""
    news, jobs, circuits = PushNews(client, again_s=0), PushJobs(client, kinds), PushCircuits(client)

    def is_due(kind: DeviceKind) -> bool:
        due_s = jobs.next_due(kind)
        return due_s is not None and due_s <= 0 and not circuits.of(kind).is_open(now_ms())

    def has_news() -> bool:
        due_s = news.next_due()
        return due_s is not None and due_s <= 0

    sends: list[Look] = [(partial(is_due, kind), partial(send_push, kind), keys.push_lease(kind)) for kind in kinds]
    return [(has_news, send_notify, keys.PUSH_LEASE), *sends] if kinds else []
