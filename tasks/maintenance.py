"""Queue `maintenance`: jobs that beat starts, each of which only repairs what should not have happened."""

from __future__ import annotations

import logging

from celery import shared_task

from chat.broker import keys
from chat.broker.wake import wake_drain
from tasks.context import work_context
from tasks.persist import send_drain
from tasks.seen import send_seen
from tasks.unread import send_recount

USERS_CHECKED = 50  # by one run
BEHIND = 1000  # askings: several rounds of a recount
SCAN_STEPS = 20  # of 500 keys each: the whole of Redis is looked through in turns
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


@shared_task(name="tasks.maintenance.reconcile_unread")
def reconcile_unread() -> None:
    """Check the unread counts of some users against the stored messages, others each time."""
    context = work_context()
    if context.recounts.waiting() > BEHIND:
        return  # counters are behind, and that is known: nothing would be learned
    checked = context.reconcile().check(context.counters.sample(USERS_CHECKED, SCAN_STEPS))
    if checked.drift:
        context.counters.count_drift(checked.drift)
        wake_drain(context.client, send_recount, lease=keys.RECOUNT_LEASE)
        wake_drain(context.client, send_seen, lease=keys.SEEN_LEASE)
        log.warning("unread-reconciled", extra={**checked._asdict(), "drift": checked.drift})
    elif checked.users:
        log.info("unread-reconciled", extra={**checked._asdict(), "drift": 0})


@shared_task(name="tasks.maintenance.forget_consumers")
def forget_consumers() -> None:
    """Drop the names that dead workers left on the outboxes."""
    if gone := work_context().outbox.forget_idle_consumers(CONSUMER_IDLE_MS):
        log.info("consumers-forgotten", extra={"count": gone})
