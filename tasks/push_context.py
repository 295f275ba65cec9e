"""What a process that pushes works with: providers with warm connections, and the threads that use them."""

from __future__ import annotations

import os
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from chat.bootstrap import push_providers
from chat.broker import keys
from chat.broker.counters import Counters
from chat.broker.members import RedisMembers
from chat.broker.presence_view import RedisPresenceView
from chat.broker.push_circuits import PushCircuits
from chat.broker.push_devices import PushDevices
from chat.broker.push_jobs import PushJobs
from chat.broker.push_news import PushNews
from chat.broker.push_results import PushResults
from chat.broker.wake import DrainLease
from chat.model.device import DeviceKind
from chat.push.base import Provider
from chat.services.devices import Devices
from chat.services.push_choices import PushChoices
from chat.services.push_loading import Loading
from chat.services.push_looking import Looking, Surroundings
from chat.services.push_retry import RetryPolicy
from chat.services.push_sending import Places, Sending
from chat.services.push_totals import PushTotals
from config.push_work import configured_kinds
from config.settings import Settings
from tasks.context import WorkContext

CLAIMED_PER_THREAD = 2  # so that no thread waits for the slowest of a batch
_contexts: dict[int, PushContext] = {}


@dataclass(frozen=True, slots=True)
class PushContext:
    """Providers and threads of one process, opened after its fork."""

    providers: dict[DeviceKind, Provider]
    executors: dict[DeviceKind, ThreadPoolExecutor]


def push_context(settings: Settings) -> PushContext:
    """Return this process's, opened at the first call."""
    pid = os.getpid()
    if pid not in _contexts:
        _contexts.clear()  # the parent's, if there is one
        providers = push_providers(settings)
        threads = settings.push_work.threads
        executors = {kind: ThreadPoolExecutor(threads, f"push-{kind}") for kind in providers}
        _contexts[pid] = PushContext(providers, executors)
    return _contexts[pid]


def forget_push_context() -> None:
    """Close this process's; the next push opens another."""
    context = _contexts.pop(os.getpid(), None)
    if context is not None:
        for executor in context.executors.values():
            executor.shutdown()
        for provider in context.providers.values():
            provider.close()


def kinds_of(settings: Settings) -> tuple[DeviceKind, ...]:
    """Return the kinds of devices that can be pushed to."""
    return tuple(DeviceKind(kind) for kind in configured_kinds(settings.push))


def news_of(work: WorkContext) -> PushNews:
    """Return the rooms with news."""
    return PushNews(work.client, again_s=work.settings.push_work.second_look_s)


def jobs_of(work: WorkContext) -> PushJobs:
    """Return the jobs of the configured providers."""
    pace = work.settings.push_work
    return PushJobs(
        work.client,
        kinds_of(work.settings),
        keep_s=work.settings.push.ttl_s,
        spacing_s=pace.spacing_s,
        lease_s=pace.lease_s,
    )


def circuits_of(work: WorkContext) -> PushCircuits:
    """Return the circuits of the providers."""
    return PushCircuits(work.client, first_s=work.settings.push_work.circuit_s)


def devices_of(work: WorkContext) -> Devices:
    """Return the push targets."""
    return Devices(work.store, on_registered=PushDevices(work.client).registered)


def lease_of(work: WorkContext, key: str) -> DrainLease:
    """Return a lease for one run: two runs of a process are two."""
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return DrainLease(work.client, name, key=key)


def looking(work: WorkContext) -> Looking:
    """Return what looks at rooms with news."""
    members, view = RedisMembers(work.client), RedisPresenceView(work.client)
    return Looking(
        news_of(work),
        Surroundings(members.members_of_many, view.online),
        PushDevices(work.client),
        devices_of(work),
        PushChoices(work.store),
        work.unread,
        work.store,
        jobs_of(work),
    )


def sending(work: WorkContext, kind: DeviceKind) -> Sending | None:
    """Return a run for one provider, None where it is not configured."""
    settings, context = work.settings, push_context(work.settings)
    if kind not in context.providers:
        return None
    devices = devices_of(work)
    loading = Loading(
        work.store,
        devices,
        PushChoices(work.store),
        work.unread,
        RedisMembers(work.client).ask_many,
        PushTotals(work.counters.totals, work.unread),
        content=settings.push.content,
        ttl_s=settings.push.ttl_s,
    )
    places = Places(devices.drop, PushResults(work.client).write, Counters(work.client).add_work)
    lease = lease_of(work, keys.push_lease(kind))
    run = partial(Sending, kind, context.providers[kind], jobs_of(work), loading, circuits_of(work), places, lease)
    return run(
        context.executors[kind],
        policy=RetryPolicy(least_s=settings.push_work.backoff_s),
        batch=settings.push_work.threads * CLAIMED_PER_THREAD,
    )
