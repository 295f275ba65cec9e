"""Queue `persist`: the way of a message from the outbox into the store, and back to those who wait for it."""

from __future__ import annotations

import logging

from celery import shared_task

from chat.errors import BrokerUnavailable
from chat.services.drain import Drain
from tasks.context import work_context

log = logging.getLogger(__name__)


@shared_task(name="tasks.persist.drain")
def drain() -> None:
    """Store and confirm all that waits.

    The task is only the wake-up and holds nothing: lost, doubled or late, it harms no message.
    """
    context = work_context()
    try:
        parts = (context.outbox, context.store, context.lease, context.policy)
        is_unfinished = Drain(*parts, patience=context.patience).run()
    except BrokerUnavailable as exc:
        log.warning("drain-interrupted", extra={"error": str(exc), "action": "the next wake-up goes on"})
        return
    if is_unfinished:
        send_drain()


def send_drain() -> None:
    """Send the wake-up; `chat.broker.wake.wake_drain` decides when.

    Raises: kombu's OperationalError, within seconds, when the broker does not take it.
    """
    drain.apply_async(retry=False)
