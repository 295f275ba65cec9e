"""The tasks of `push` by their names: in this process, and in a real worker that finds its work by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery

from chat.broker import keys
from chat.broker.push_tests import PushTests, TestResult
from chat.model.clock import now_ms, rfc3339
from chat.model.device import Device, DeviceKind
from chat.model.push import LastResult
from chat.services.devices import STALE_MS, Devices
from tasks import persist, push, push_context, seen
from tasks.context import forget_context, work_context
from tests.support.push.script import Answer
from tests.support.push.servers import PushServers
from tests.support.pushing import PushScene
from tests.support.wait import eventually
from tests.support.workers import WorkerProcess

PACE = {"PUSH_GRACE_S": "0", "PUSH_SPACING_S": "0", "PUSH_BACKOFF_S": "0.05", "PUSH_SECOND_LOOK_S": "1"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushServers]:
    with PushServers(tmp_path_factory.mktemp("push")) as servers:
        yield servers


@pytest.fixture
def scene(redis_url: str, tmp_path: Path, servers: PushServers) -> Iterator[PushScene]:
    servers.reset()
    with redis.Redis.from_url(redis_url) as client:
        scene = PushScene(client, tmp_path)
        scene.make("r1", ("ann", "bob"))
        yield scene
        scene.close()


@pytest.fixture
def environ(redis_url: str, scene: PushScene, servers: PushServers) -> dict[str, str]:
    places = {"REDIS_URL": redis_url, "STORE_URL": f"sqlite:///{scene.path}", "AUTH_MODE": "dev"}
    return {**servers.environ, **PACE, **places}


@pytest.fixture
def app(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """The real app, its tasks run where they are sent."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    yield from eager_app()


@pytest.fixture
def app_without_push(redis_url: str, scene: PushScene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("STORE_URL", f"sqlite:///{scene.path}")
    monkeypatch.setenv("AUTH_MODE", "dev")
    yield from eager_app()


def eager_app() -> Iterator[Celery]:
    from workers.celery_app import make_app

    forget_context()
    push_context.forget_push_context()
    app = make_app(work_context().settings)
    app.conf.task_always_eager = True
    app.conf.task_eager_propagates = True
    app.set_default()
    yield app
    push_context.forget_push_context()
    forget_context()


def enroll(scene: PushScene, servers: PushServers, kind: DeviceKind, user_id: str = "bob") -> Device:
    target = servers.target(kind)
    return scene.devices.register(user_id, kind, target.address, target.p256dh, target.auth)


def shown(servers: PushServers, device: Device) -> list[str]:
    """Return the texts that a device shows."""
    return [each["body"] for each in servers[device.kind].screens.get(device.address, {}).values()]


def test_every_provider_is_reached_and_cleared_when_the_tasks_run_eagerly(
    app: Celery, scene: PushScene, servers: PushServers
) -> None:
    devices = [enroll(scene, servers, kind) for kind in DeviceKind]
    scene.send("r1", "ann", "hello bob")
    persist.send_drain()
    assert [shown(servers, each) for each in devices] == [["hello bob"]] * 3
    scene.mark("r1", "bob", 1)
    seen.send_seen()
    assert [shown(servers, each) for each in devices] == [[]] * 3
    assert scene.counted("push_delivered") == scene.counted("push_cleared") == 3


def test_nothing_is_noted_when_no_provider_is_configured(app_without_push: Celery, scene: PushScene) -> None:
    scene.enroll("bob")
    scene.send("r1", "ann")
    persist.send_drain()
    push.notify.delay()
    push.send.delay("fcm")
    scene.mark("r1", "bob", 1)
    seen.send_seen()
    left = [name for name in scene.client.keys("chat:push:*") if b":has:" not in name and b":devices" not in name]
    assert left == []


def test_a_test_push_tells_what_each_provider_said(app: Celery, scene: PushScene, servers: PushServers) -> None:
    phone, browser = enroll(scene, servers, DeviceKind.APNS), enroll(scene, servers, DeviceKind.WEBPUSH)
    servers.webpush.answer_next(Answer(503))
    send = lambda user_id, token: threading.Thread(target=push.test.delay, args=(user_id, token)).start()  # noqa: E731
    assert sorted(PushTests(scene.client, send).run("bob"), key=lambda each: each.kind) == [
        TestResult(phone.id, "apns", "delivered"),
        TestResult(browser.id, "webpush", "later", "503"),
    ]
    assert shown(servers, phone)


def test_a_test_push_counts_for_its_devices_as_any_other(
    app: Celery, scene: PushScene, servers: PushServers
) -> None:
    phone, browser = enroll(scene, servers, DeviceKind.APNS), enroll(scene, servers, DeviceKind.WEBPUSH)
    unreached = scene.devices.register("ann", DeviceKind.FCM, "token")
    servers.webpush.answer_next(Answer(410))
    push.test.delay("bob", "token")
    assert [each.id for each in scene.devices.of("bob")] == [phone.id]
    assert scene.result(phone) == LastResult("", "delivered", None)
    assert scene.result(browser) == LastResult("", "gone", "410")
    assert scene.counted("push_gone") == 1
    assert scene.results.read([unreached.id]) == {}


def test_a_test_push_takes_the_place_of_no_rooms_notification(
    app: Celery, scene: PushScene, servers: PushServers
) -> None:
    device = enroll(scene, servers, DeviceKind.APNS)
    scene.make("test", ("ann", "bob"))
    scene.send("test", "ann", "hello bob")
    persist.send_drain()
    push.test.delay("bob", "token")
    assert shown(servers, device) == ["hello bob", "Notifications reach this device."]


def test_devices_are_pruned_when_nobody_registers_them(app: Celery, scene: PushScene) -> None:
    old = Devices(scene.store, lambda: now_ms() - STALE_MS - 1000, scene.marks_of_devices.registered)
    stale = old.register("bob", DeviceKind.FCM, "old")
    fresh = scene.enroll("bob", "fresh")
    push.prune.delay()
    assert [each.id for each in scene.devices.of("bob")] == [fresh.id]
    assert scene.client.zrange(keys.PUSH_DEVICES, 0, -1) == [fresh.id.encode()]
    assert (scene.counted("push_devices_pruned"), rfc3339(now_ms()) > stale.refreshed_at) == (1, True)


def test_a_worker_finds_what_waits_without_beat_server_and_wake_up(
    scene: PushScene, servers: PushServers, environ: dict[str, str], tmp_path: Path
) -> None:
    device = enroll(scene, servers, DeviceKind.APNS)
    scene.send("r1", "ann", "hello")
    scene.drain()  # notes the news, and the wake-up is lost
    with WorkerProcess(environ, tmp_path, queues="push"):
        eventually(lambda: shown(servers, device) == ["hello"], timeout_s=30)
        servers.apns.answer_next(Answer(429, {"reason": "TooManyRequests"}, {"Retry-After": "1"}))
        scene.send("r1", "ann", "again")
        scene.drain()
        eventually(lambda: shown(servers, device) == ["again\n+1 more"], timeout_s=30)
