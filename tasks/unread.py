"""Queue `unread`: the public counters, counted anew from positions."""

from __future__ import annotations

import logging

from celery import shared_task

from chat.errors import BrokerUnavailable, StoreUnavailable
from tasks.context import work_context

log = logging.getLogger(__name__)


@shared_task(name="tasks.unread.recount")
def recount() -> None:
    """Count what was asked for, and tell people's connections."""
    try:
        is_unfinished = work_context().recount().run()
    except (BrokerUnavailable, StoreUnavailable) as exc:
        log.warning("recount-interrupted", extra={"error": str(exc), "action": "the next wake-up goes on"})
        return
    if is_unfinished:
        send_recount()


def send_recount() -> None:
    """Send the wake-up. Raises kombu's OperationalError."""
    recount.apply_async(retry=False)
