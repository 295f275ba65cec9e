"""While a worker serves `persist`, what waits in the outbox is drained, without beat and without a server.

Likewise what a dead server had stored and not told is told.

A wake-up can be lost with a killed worker, a killed server or a wiped broker; the outbox is not.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import bootsteps
from kombu.exceptions import OperationalError

from chat.broker.client import RedisAddress, connect
from chat.broker.events import RedisEvents
from chat.broker.outbox import Outbox
from chat.broker.wake import wake_drain
from chat.errors import BrokerUnavailable
from chat.services.announcing import OVERDUE_S
from config.settings import load_settings
from tasks.context import redis_address
from tasks.maintenance import send_announce_overdue
from tasks.persist import send_drain

EVERY_S = 2.0
TIMEOUT_S = 0.5  # it runs on the worker's own loop, which must not stand still for long
QUEUE = "persist"
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
        if QUEUE not in consumer.app.amqp.queues.consume_from:
            return
        self._watch = Watch(redis_address(load_settings(os.environ)))
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

    def __init__(self, address: RedisAddress) -> None:
        self._client = connect(RedisAddress(address.url, TIMEOUT_S, TIMEOUT_S), size=2)
        self._outbox = Outbox(self._client, consumer="watch", log_length=1)
        self._events = RedisEvents(self._client, log_length=1)
        self._is_blind = False

    def look(self, is_first: bool = False) -> None:
        """Wake the drain if something waits; the first time even if a lease says that one is at work.

        Its holder may be the very worker that was killed and started again.
        """
        try:
            if any(self._outbox.lengths()):
                wake_drain(self._client, send_drain, is_forced=is_first)
            if self._events.count_overdue(OVERDUE_S):
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
