"""Queue `seen`: how far members have read, from Redis into the store, many marks as one write."""

from __future__ import annotations

import logging

from celery import shared_task

from chat.errors import BrokerUnavailable
from chat.services.store_seen import StoreSeen
from tasks.context import work_context

log = logging.getLogger(__name__)


@shared_task(name="tasks.seen.store")
def store() -> None:
    """Store what waits; like every task only a wake-up that holds nothing."""
    context = work_context()
    try:
        context.seen_lease.disarm()  # first: whoever marks from now on sends a wake-up, whoever did before is found
        StoreSeen(context.unstored, context.store).run()
    except BrokerUnavailable as exc:
        log.warning("seen-interrupted", extra={"error": str(exc), "action": "the next wake-up goes on"})


def send_seen() -> None:
    """Send the wake-up. Raises kombu's OperationalError."""
    store.apply_async(retry=False)
