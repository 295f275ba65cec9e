"""Queue `maintenance`: jobs that beat starts, each of which only repairs what should not have happened."""

from __future__ import annotations

import logging
from dataclasses import asdict

from celery import shared_task

from chat.broker import keys
from chat.broker.client import translated
from chat.broker.counters import Counters
from chat.broker.events import RedisEvents
from chat.broker.log import RedisRoomLog
from chat.broker.members import RedisMembers
from chat.broker.presence import RedisPresence
from chat.broker.wake import wake_drain
from chat.errors import BrokerUnavailable
from chat.model.publication import EVERYBODY
from chat.services.announcing import Announcer, Sweep
from chat.services.message_telling import EVENTS, MessageTelling
from chat.services.pins import NOTE as PINS
from chat.services.pins import Pins
from chat.services.reconcile import Reconcile
from chat.services.room_changes import RoomChanges
from chat.services.room_updates import EVENT as ROOM_UPDATED
from chat.services.rooms import Rooms
from chat.services.stored_messages import StoredMessages
from chat.services.sweep import sweep
from chat.services.tombstones import Tombstones
from tasks.context import WorkContext, work_context
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
        Counters(context.client).add_work({"outbox_counters_mended": drift})
        log.warning("outbox-counters-repaired", extra={"messages": drift})


@shared_task(name="tasks.maintenance.reconcile_unread")
def reconcile_unread() -> None:
    """Check the unread counts of some users against the stored messages, others each time."""
    context = work_context()
    if context.recounts.waiting() > BEHIND:
        return  # counters are behind, and that is known: nothing would be learned
    checked = context.reconcile().check(context.counters.sample(USERS_CHECKED, SCAN_STEPS))
    if checked.pairs:
        Counters(context.client).add_work({"unread_checked": checked.pairs})
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
    context = work_context()
    if gone := context.outbox.forget_idle_consumers(CONSUMER_IDLE_MS):
        Counters(context.client).add_work({"consumers_forgotten": gone})
        log.info("consumers-forgotten", extra={"count": gone})


@shared_task(name="tasks.maintenance.announce_overdue")
def announce_overdue() -> None:
    """Tell rooms of changes that were stored, or half stored, when a server died."""
    context = work_context()
    events = RedisEvents(context.client, log_length=context.settings.path.log_length)
    announcer = Announcer(events, context.cold_start().warm)

    def on_moved(user_id: str, room_id: str) -> None:
        context.recounts.mark([f"r {room_id}" if user_id == EVERYBODY else f"m {user_id} {room_id}"])

    changes = RoomChanges(rooms_of(context), announcer, RedisMembers(context.client), on_moved=on_moved)
    messages = StoredMessages(context.store, RedisRoomLog(context.client))
    pins = Pins(context.store, rooms_of(context), messages, announcer)
    tombstones = Tombstones(context.store, context.threads.mark, pins.drop)
    telling = MessageTelling(messages, announcer, tombstones)
    finishers = {ROOM_UPDATED: changes.finish, PINS: pins.finish}
    if finished := Sweep(events, finishers | dict.fromkeys(EVENTS, telling.finish)).run():
        Counters(context.client).add_work({"changes_finished": finished})
        log.warning("changes-finished", extra={"count": finished})


@shared_task(name="tasks.maintenance.reconcile_rooms")
def reconcile_rooms() -> None:
    """Compare some cached memberships with the store, going on where the last run ended."""
    context = work_context()
    reconcile = Reconcile(rooms_of(context), RedisMembers(context.client))
    with translated("read cursor"):
        cursor = int(context.client.get(keys.RECONCILE_CURSOR) or 0)
    cursor = reconcile.run(cursor)
    with translated("keep cursor"):
        context.client.set(keys.RECONCILE_CURSOR, cursor, ex=3600)
    Counters(context.client).add_work(asdict(reconcile.found))


def send_announce_overdue() -> None:
    """Send the sweep; a worker that sees overdue changes does.

    Raises: kombu's OperationalError, within seconds, when the broker does not take it.
    """
    announce_overdue.apply_async(retry=False, expires=10)


def rooms_of(context: WorkContext) -> Rooms:
    """Return the domain's rooms."""
    return Rooms(context.store, member_limit=context.settings.limits.room_members)


@shared_task(name="tasks.maintenance.sweep_presence")
def sweep_presence() -> None:
    """Take users offline whose servers died, and tell their rooms."""
    board = RedisPresence(work_context().client)
    try:
        expired = sweep(board)
        board.count_sweep(expired)
    except BrokerUnavailable as exc:
        log.warning("presence-sweep-interrupted", extra={"error": str(exc), "action": "the next one goes on"})
        return
    if expired:
        log.info("presence-swept", extra={"users": expired})
