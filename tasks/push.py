"""Queue `push`: who is to be notified, and the sending, one provider apart from the others.

Tasks are wake-ups that hold nothing; what has to be done stands in Redis. Without a provider nothing is noted
there, and nothing sent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor, Future

from celery import current_app, shared_task
from kombu.exceptions import OperationalError

from chat.broker import keys
from chat.broker.counters import Counters
from chat.broker.push_devices import PushDevices
from chat.broker.push_results import PushResults
from chat.broker.push_tests import TestResult, answer
from chat.broker.wake import wake_drain
from chat.errors import BrokerUnavailable, StoreError, StoreUnavailable
from chat.model.clock import now_ms, rfc3339
from chat.model.device import Device, DeviceKind
from chat.model.push import LastResult
from chat.push.base import Delivered, Gone, Later, Notice, NoticeKind, Provider, Result
from chat.services.devices import STALE_MS
from chat.services.push_sending import SOON_S
from chat.services.push_text import collapse_of, notice_id
from tasks.context import WorkContext, work_context
from tasks.push_context import devices_of, kinds_of, lease_of, looking, news_of, push_context, sending

PRUNED_AT_ONCE = 500
TEST_TTL_S = 60
log = logging.getLogger(__name__)


@shared_task(name="tasks.push.notify")
def notify() -> None:
    """Look at rooms with news whose grace has passed, and make jobs for the devices of who is away."""
    work = work_context()
    if not kinds_of(work.settings):
        return
    lease = lease_of(work, keys.PUSH_LEASE)
    try:
        lease.take()
        looked = looking(work).run(lease.hold)
        counts = {"push_noted": looked.made, "push_withdrawn": looked.withdrawn}
        if any(counts.values()):
            Counters(work.client).add_work(counts)
        for kind in looked.kinds:
            wake_send(work, kind)
        lease.release()
        due_s = 0.0 if looked.is_unfinished else news_of(work).next_due()
        if due_s is not None and due_s <= SOON_S:
            wake_drain(work.client, lambda: send_notify(max(due_s, 0.1)), lease=keys.PUSH_LEASE)
    except (BrokerUnavailable, StoreUnavailable, OperationalError, OSError) as exc:
        log.warning("push-look-interrupted", extra={"error": str(exc), "action": "the next wake-up goes on"})


@shared_task(name="tasks.push.send")
def send(kind: str) -> None:
    """Push what is due for one provider."""
    work = work_context()
    run = sending(work, DeviceKind(kind))
    if run is None:
        return
    try:
        again_s = run.run()
        if again_s is not None:
            wake_send(work, DeviceKind(kind), again_s)
    except (BrokerUnavailable, StoreError, OperationalError, OSError) as exc:
        log.warning(
            "push-interrupted", extra={"kind": kind, "error": str(exc), "action": "a worker sees it by itself"}
        )


@shared_task(name="tasks.push.test")
def test(user_id: str, token: str) -> None:
    """Push a test to each device of a user; who asked is told what became of it, as of any push to a device."""
    work = work_context()
    context = push_context(work.settings)
    pushed: list[tuple[Device, Future[Result] | None]] = []
    for device in devices_of(work).of(user_id):
        provider = context.providers.get(device.kind)
        pushed.append((device, _submit(context.executors[device.kind], provider, device) if provider else None))
    ended = [(device, _ended(device, pending) if pending else None) for device, pending in pushed]
    _take_to_heart(work, [(device, result) for device, result in ended if result is not None])
    answer(work.client, token, [_told(device, result) for device, result in ended])


@shared_task(name="tasks.push.prune")
def prune() -> None:
    """Forget devices that nobody has registered for 270 days: the contract's "prune device tokens"."""
    work = work_context()
    marks, devices = PushDevices(work.client), devices_of(work)
    before_ms = now_ms() - STALE_MS
    pruned = 0
    try:
        while stale := marks.stale(before_ms, PRUNED_AT_ONCE):
            pruned += devices.prune(stale)
            marks.forget(stale, before_ms)
        if pruned:
            Counters(work.client).add_work({"push_devices_pruned": pruned})
            log.info("devices-pruned", extra={"count": pruned})
    except (BrokerUnavailable, StoreUnavailable) as exc:
        log.warning("prune-interrupted", extra={"error": str(exc), "action": "the next run goes on"})


def send_notify(countdown_s: float = 0) -> None:
    """Send the wake-up of the looks. Raises kombu's OperationalError."""
    if not (countdown_s and _is_eager()):
        notify.apply_async(retry=False, countdown=countdown_s or None)


def send_push(kind: DeviceKind, countdown_s: float = 0) -> None:
    """Send the wake-up of one provider. Raises kombu's OperationalError."""
    if not (countdown_s and _is_eager()):
        send.apply_async((kind.value,), retry=False, countdown=countdown_s or None)


def send_test(user_id: str, token: str) -> None:
    """Send the test pushes; the worker answers under the token. Raises kombu's OperationalError."""
    test.apply_async((user_id, token), retry=False, expires=20)


def wake_send(work: WorkContext, kind: DeviceKind, countdown_s: float = 0) -> None:
    """Have one provider's jobs sent unless somebody does. Raises as `wake_drain`."""
    wake_drain(work.client, lambda: send_push(kind, countdown_s), lease=keys.push_lease(kind))


def _is_eager() -> bool:
    """Tell whether tasks run where they are sent: then nobody waits for a later moment."""
    return bool(current_app.conf.task_always_eager)


def _submit(executor: Executor, provider: Provider, device: Device) -> Future[Result]:
    notice = Notice(
        notice_id(f"test:{now_ms()}", device.id),
        NoticeKind.TEST,
        collapse_of("test notification"),  # with a space, as no room's id has one
        *("", "", 0, "Test notification", "Notifications reach this device.", 0, TEST_TTL_S),
    )
    return executor.submit(provider.push, device, notice)


def _ended(device: Device, pending: Future[Result]) -> Result:
    try:
        return pending.result()
    except Exception as exc:
        log.exception("push-provider-broken", extra={"kind": device.kind, "action": "tell who asked"})
        return Later(f"fault {type(exc).__name__}")


def _take_to_heart(work: WorkContext, ended: Sequence[tuple[Device, Result]]) -> None:
    """Forget the devices that are gone and keep the last results; what can't be kept is told all the same."""
    now, devices = rfc3339(now_ms()), devices_of(work)
    gone = [device for device, result in ended if isinstance(result, Gone)]
    try:
        for device in gone:
            devices.drop(device)
        results = {device.id: LastResult(now, _word(result), _reason(result)) for device, result in ended}
        PushResults(work.client).write(results)
        if gone:
            Counters(work.client).add_work({"push_gone": len(gone)})
    except (BrokerUnavailable, StoreError) as exc:
        log.warning("push-results-not-kept", extra={"error": str(exc), "action": "tell who asked"})


def _told(device: Device, result: Result | None) -> TestResult:
    if result is None:
        return TestResult(device.id, device.kind, "refused", "this server has no keys for the provider")
    return TestResult(device.id, device.kind, _word(result), _reason(result))


def _word(result: Result) -> str:
    return type(result).__name__.lower()


def _reason(result: Result) -> str | None:
    return None if isinstance(result, Delivered) else result.reason
