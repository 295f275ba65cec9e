"""Queue `persist`: the way of a message from the outbox into the store, and back to those who wait for it."""

from __future__ import annotations

import logging
from functools import partial

from celery import shared_task
from kombu.exceptions import OperationalError

from chat.broker import keys
from chat.broker.wake import wake_drain
from chat.errors import BrokerUnavailable
from chat.services.batch_notes import BatchNotes
from chat.services.drain import Drain
from tasks.context import work_context
from tasks.push import send_notify
from tasks.threads import send_threads
from tasks.unread import send_recount

log = logging.getLogger(__name__)


@shared_task(name="tasks.persist.drain")
def drain() -> None:
    """Store and confirm all that waits.

    The task is only the wake-up and holds nothing: lost, doubled or late, it harms no message.
    """
    context = work_context()
    try:
        parts = (context.outbox, context.store, context.lease, context.policy)
        notes = context.batch_notes()
        after = partial(_after_batch, notes)
        drain_run = Drain(
            *parts,
            patience=context.patience,
            told=context.told,
            on_settled=after,
            on_turned_away=context.store_fault.note,
            note=notes,
        )
        is_unfinished = drain_run.run()
    except BrokerUnavailable as exc:
        log.warning("drain-interrupted", extra={"error": str(exc), "action": "the next wake-up goes on"})
        return
    if is_unfinished:
        send_drain()


def _after_batch(notes: BatchNotes, room_ids: set[str]) -> None:
    _ask_recount(room_ids)
    _ask_looks()
    if notes.taken():
        try:
            wake_drain(work_context().client, send_threads, lease=keys.THREADS_LEASE)
        except (BrokerUnavailable, OperationalError, OSError) as exc:
            log.warning("threads-not-asked", extra={"error": str(exc), "action": "a worker sees it by itself"})


def _ask_looks() -> None:
    """Wake who notifies the absent, once for each grace: the news are noted with the confirmation."""
    context = work_context()
    if context.news is not None and context.news.is_wake_needed():
        try:
            send_notify(context.settings.push.grace_s)
        except (OperationalError, OSError) as exc:
            log.warning("looks-not-asked", extra={"error": str(exc), "action": "a worker sees it by itself"})


def _ask_recount(room_ids: set[str]) -> None:
    """Have the unread counts of rooms counted anew; what fails here harms no message."""
    context = work_context()
    try:
        context.recounts.mark(f"r {room_id}" for room_id in room_ids)
        wake_drain(context.client, send_recount, lease=keys.RECOUNT_LEASE)
    except (BrokerUnavailable, OperationalError, OSError) as exc:
        log.warning("recount-not-asked", extra={"error": str(exc), "action": "go on"})


def send_drain() -> None:
    """Send the wake-up; `chat.broker.wake.wake_drain` decides when.

    Raises: kombu's OperationalError, within seconds, when the broker does not take it.
    """
    drain.apply_async(retry=False)
