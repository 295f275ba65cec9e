"""Queue `seen`: how far members have read, from Redis into the store, many marks as one write."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from celery import shared_task
from kombu.exceptions import OperationalError

from chat.broker.counters import Counters
from chat.errors import BrokerUnavailable
from chat.model.device import DeviceKind
from chat.services.store_seen import Read, StoreSeen
from tasks.context import work_context
from tasks.push import wake_send
from tasks.push_context import jobs_of

log = logging.getLogger(__name__)


@shared_task(name="tasks.seen.store")
def store() -> None:
    """Store what waits; like every task only a wake-up that holds nothing."""
    context = work_context()
    try:
        context.seen_lease.disarm()  # first: whoever marks from now on sends a wake-up, whoever did before is found
        StoreSeen(context.unstored, context.store, _withdraw).run()
    except BrokerUnavailable as exc:
        log.warning("seen-interrupted", extra={"error": str(exc), "action": "the next wake-up goes on"})


def _withdraw(read: Sequence[Read]) -> None:
    """Take back the pushes of what was read, before its marks go: a crash repeats it. Raises BrokerUnavailable."""
    context = work_context()
    if context.news is None:
        return
    jobs = jobs_of(context)
    withdrawn, cleared = jobs.withdraw(read)
    if withdrawn:
        Counters(context.client).add_work({"push_withdrawn": withdrawn})
    if cleared:
        for kind in jobs.kinds:
            _wake(kind)


def _wake(kind: DeviceKind) -> None:
    try:
        wake_send(work_context(), kind)
    except (OperationalError, OSError) as exc:
        log.warning("clearing-not-asked", extra={"error": str(exc), "action": "a worker sees it by itself"})


def send_seen() -> None:
    """Send the wake-up. Raises kombu's OperationalError."""
    store.apply_async(retry=False)
