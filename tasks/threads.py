"""Queue `maintenance`: how many replies messages have, shown in them and told to their rooms."""

from __future__ import annotations

import logging

from celery import shared_task

from chat.broker.events import RedisEvents
from chat.broker.log import RedisRoomLog
from chat.errors import BrokerUnavailable, StoreUnavailable
from chat.services.announcing import Announcer
from chat.services.message_telling import MessageTelling
from chat.services.stored_messages import StoredMessages
from chat.services.tell_threads import TellThreads
from chat.services.threads import Threads
from tasks.context import WorkContext, work_context

log = logging.getLogger(__name__)


@shared_task(name="tasks.threads.tell")
def tell() -> None:
    """Count and tell what is marked; like every task only a wake-up that holds nothing."""
    try:
        is_unfinished = _run_of(work_context()).run()
    except (BrokerUnavailable, StoreUnavailable) as exc:
        log.warning("threads-interrupted", extra={"error": str(exc), "action": "the next wake-up goes on"})
        return
    if is_unfinished:
        send_threads()


def send_threads() -> None:
    """Send the wake-up. Raises kombu's OperationalError."""
    tell.apply_async(retry=False)


def _run_of(context: WorkContext) -> TellThreads:
    messages = StoredMessages(context.store, RedisRoomLog(context.client))
    events = RedisEvents(context.client, log_length=context.settings.path.log_length)
    telling = MessageTelling(messages, Announcer(events, context.cold_start().warm))
    return TellThreads(context.threads, messages, Threads(context.store), telling, context.threads_lease)
