"""The settings and clients of a process that runs tasks.

They are opened at the first task and belong to one process id: a forked child never uses its parent's
sockets, which would mix up their answers (a Couchbase connection would hang for ever).
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass, field

import redis

from chat.broker import keys
from chat.broker.client import RedisAddress, connect
from chat.broker.log import RedisRoomLog
from chat.broker.marks import Askings, Marks, Recounts, threads, unstored
from chat.broker.outbox import Outbox
from chat.broker.push_news import NewsOfBatches
from chat.broker.reading import RedisReading
from chat.broker.store_fault import StoreFault
from chat.broker.unread_counters import UnreadCounters
from chat.broker.wake import DrainLease
from chat.services.batch_notes import BatchNotes
from chat.services.cold_start import ColdStart
from chat.services.drain import DrainPolicy, Patience
from chat.services.reconcile_unread import Reconcile
from chat.services.recount import Recount
from chat.services.room_sizes import RoomSizes
from chat.services.told import Told
from chat.services.unread import Unread
from chat.store.base import Store
from chat.store.url import open_store
from config.env import SettingError
from config.push_work import configured_kinds
from config.settings import Settings, load_settings

_contexts: dict[int, WorkContext] = {}


@dataclass(frozen=True, slots=True)
class WorkContext:
    """What tasks work with."""

    settings: Settings
    client: redis.Redis
    store: Store
    outbox: Outbox
    lease: DrainLease
    unstored: Marks
    seen_lease: DrainLease
    recounts: Recounts
    recount_lease: DrainLease
    reading: RedisReading
    counters: UnreadCounters
    sizes: RoomSizes
    threads: Askings
    threads_lease: DrainLease
    news: NewsOfBatches | None = None  # for pushes; None where no provider is configured
    patience: Patience = field(default_factory=Patience)
    told: Told = field(default_factory=Told)

    @property
    def unread(self) -> Unread:
        """What counts from positions."""
        return Unread(self.reading, self.store)

    def recount(self) -> Recount:
        """Return a run that brings the counters up to date."""
        return Recount(self.recounts, self.counters, self.unread, self.sizes, self.recount_lease)

    @property
    def store_fault(self) -> StoreFault:
        """Where it is noted what an operator has to mend."""
        return StoreFault(self.client)

    @property
    def policy(self) -> DrainPolicy:
        """The drain's knobs, from the settings."""
        path = self.settings.path
        return DrainPolicy(
            batch=path.drain_batch,
            linger_s=path.drain_linger_ms / 1000,
            reclaim_idle_s=path.reclaim_idle_s,
            give_up_s=path.give_up_s,
        )

    def cold_start(self) -> ColdStart:
        """Return what warms rooms."""
        return ColdStart(RedisRoomLog(self.client), self.store, self.batch_notes().newest)

    def batch_notes(self) -> BatchNotes:
        """Return what writes down whom stored messages answer and name."""
        return BatchNotes(self.store, self.threads.mark, self.reading.note_mentions)

    def reconcile(self) -> Reconcile:
        """Return what checks unread counts against the stored messages."""

        def recount(user_ids: Collection[str]) -> None:
            self.counters.drop_users(user_ids)
            self.recounts.mark(f"u {user_id}" for user_id in user_ids)

        return Reconcile(
            self.unread,
            self.reading,
            self.counters,
            self.store,
            RedisRoomLog(self.client).waiting,
            self.cold_start().locate,
            recount,
        )


def work_context() -> WorkContext:
    """Return this process's context, opened at the first call; no connection is made yet."""
    pid = os.getpid()
    if pid not in _contexts:
        _contexts.clear()  # the parent's, if there is one
        _contexts[pid] = open_context(load_settings(os.environ))
    return _contexts[pid]


def forget_context() -> None:
    """Close this process's context; the next task opens another."""
    context = _contexts.pop(os.getpid(), None)
    if context is not None:
        context.store.close()
        context.client.close()


def open_context(settings: Settings) -> WorkContext:
    """Return clients for these settings, under a consumer name that no other process has or had."""
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    client = connect(redis_address(settings))
    store = open_store(settings.store.url, settings.store.durability)
    counters = UnreadCounters(client)
    news = NewsOfBatches(settings.push.grace_s) if configured_kinds(settings.push) else None
    return WorkContext(
        settings,
        client,
        store,
        Outbox(client, consumer=name, log_length=settings.path.log_length, news=news),
        DrainLease(client, name),
        unstored(client),
        DrainLease(client, name, key=keys.SEEN_LEASE),
        Recounts(client),
        DrainLease(client, name, key=keys.RECOUNT_LEASE),
        RedisReading(client),
        counters,
        RoomSizes(store, counters.sizes, limit=settings.path.unread_refresh_members),
        threads(client),
        DrainLease(client, name, key=keys.THREADS_LEASE),
        news,
    )


def redis_address(settings: Settings) -> RedisAddress:
    """Return where the chat's Redis is.

    Raises: SettingError, when no setting says it.
    """
    url = settings.redis.url
    if url is None:
        raise SettingError("REDIS_URL", "is not set", "set redis://HOST:6379/0, or use `make run`")
    return RedisAddress(url, settings.redis.socket_timeout_s, settings.redis.connect_timeout_s)
