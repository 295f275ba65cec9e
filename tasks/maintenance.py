"""Queue `maintenance`: jobs that beat starts, each of which only repairs what should not have happened."""

from __future__ import annotations

import logging

from celery import shared_task

from chat.broker.wake import wake_drain
from tasks.context import work_context
from tasks.persist import send_drain

CONSUMER_IDLE_MS = 600_000  # a living consumer that is quiet for so long loses nothing but its name
log = logging.getLogger(__name__)


@shared_task(name="tasks.maintenance.reclaim_outbox")
def reclaim_outbox() -> None:
    """Wake the drain for what lies in an outbox, and correct the counters of empty ones."""
    context = work_context()
    if any(context.outbox.lengths()):
        wake_drain(context.client, send_drain)
    if drift := context.outbox.repair_counters():
        log.warning("outbox-counters-repaired", extra={"messages": drift})


@shared_task(name="tasks.maintenance.forget_consumers")
def forget_consumers() -> None:
    """Drop the names that dead workers left on the outboxes."""
    if gone := work_context().outbox.forget_idle_consumers(CONSUMER_IDLE_MS):
        log.info("consumers-forgotten", extra={"count": gone})
