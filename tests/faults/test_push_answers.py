"""Each row of the table of providers' answers ends as it says, from a message to the screen, with real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from chat.broker import keys
from chat.model.clock import now_ms
from chat.model.device import Device, DeviceKind
from chat.services.push_sending import circuit_of
from tests.support.monitor import await_commands
from tests.support.push.apns_server import apns_error
from tests.support.push.fcm_server import UNREGISTERED, fcm_error
from tests.support.push.script import CLOSE, LOST_ANSWER, Answer
from tests.support.push_field import PushField, push_field
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

pytestmark = pytest.mark.fault

WEBPUSH, FCM, APNS = DeviceKind.WEBPUSH, DeviceKind.FCM, DeviceKind.APNS
SOON = {"Retry-After": "1"}
GONE, DEAD, AGAIN, LATE = "gone", "dead", "again", "late"


class Row(NamedTuple):
    """What a provider answers at first, and how it ends."""

    kind: DeviceKind
    answer: Answer
    ends: str


ROWS = {
    "webpush 404": Row(WEBPUSH, Answer(404), GONE),
    "webpush 410": Row(WEBPUSH, Answer(410), GONE),
    "webpush 400": Row(WEBPUSH, Answer(400), DEAD),
    "webpush 413": Row(WEBPUSH, Answer(413), DEAD),
    "webpush 429": Row(WEBPUSH, Answer(429, headers=SOON), AGAIN),
    "webpush 500": Row(WEBPUSH, Answer(500), AGAIN),
    "webpush closed": Row(WEBPUSH, CLOSE, AGAIN),
    "webpush answer lost": Row(WEBPUSH, LOST_ANSWER, AGAIN),
    "fcm unregistered": Row(FCM, UNREGISTERED, GONE),
    "fcm token at fault": Row(
        FCM, fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "bad", "message.token"), GONE
    ),
    "fcm other sender": Row(FCM, fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), GONE),
    "fcm 400": Row(FCM, fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "bad", "message.data"), DEAD),
    "fcm quota": Row(
        FCM, Answer(429, fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED").body, headers=SOON), AGAIN
    ),
    "fcm unavailable": Row(FCM, fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), AGAIN),
    "fcm internal": Row(FCM, fcm_error(500, "INTERNAL", "INTERNAL"), AGAIN),
    "fcm quota without a time": Row(FCM, fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), LATE),
    "apns bad token": Row(APNS, apns_error(400, "BadDeviceToken"), GONE),
    "apns other topic": Row(APNS, apns_error(400, "DeviceTokenNotForTopic"), GONE),
    "apns unregistered": Row(APNS, apns_error(410, "Unregistered", now_ms() + 86_400_000), GONE),
    "apns expired": Row(APNS, apns_error(410, "ExpiredToken", now_ms() + 86_400_000), GONE),
    "apns registered since": Row(APNS, apns_error(410, "Unregistered", 1_000_000), DEAD),
    "apns 413": Row(APNS, apns_error(413, "PayloadTooLarge"), DEAD),
    "apns 429": Row(APNS, Answer(429, apns_error(429, "TooManyRequests").body, headers=SOON), AGAIN),
    "apns 503 with a time": Row(APNS, Answer(503, apns_error(503, "Shutdown").body, headers=SOON), AGAIN),
    "apns 500": Row(APNS, apns_error(500, "InternalServerError"), LATE),
}
WAITS_S = {FCM: 60, APNS: 900}
STOPPERS = {
    "webpush 401": Row(WEBPUSH, Answer(401), ""),
    "webpush 403": Row(WEBPUSH, Answer(403), ""),
    "fcm 403": Row(FCM, fcm_error(403, "PERMISSION_DENIED"), ""),
    "fcm third party": Row(FCM, fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), ""),
    "apns 403": Row(APNS, apns_error(403, "InvalidProviderToken"), ""),
}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushField]:
    """Workers for all that a message needs, and the providers."""
    folder = tmp_path_factory.mktemp("field")
    with ValkeyProcess() as valkey, push_field(folder, valkey.url) as field, field.worker("persist,push"):
        yield field


def told(field: PushField, name: str, row: Row) -> Device:
    """Send a message to somebody who is away; return the device."""
    device = field.enroll_at(row.kind, reader_of(name))
    field.make(room_of(name), ("ann", device.user_id))
    field.send(room_of(name), "ann", name)
    return device


class Ended(NamedTuple):
    """How it stands with a row's device once all is over, the second look too."""

    due_s: float  # until it is pushed to again, 0: it is not
    tries: list[float]  # when
    is_alive: bool
    is_dead_letter: bool
    is_shown: bool


@pytest.fixture(scope="module", autouse=True)
def ended(field: PushField) -> dict[str, Ended]:
    """All rows at once, each with a device of its own, when they have come to their end."""
    first: dict[str, Answer] = {}
    for kind in DeviceKind:
        field.servers[kind].decide = lambda seen: first.pop(seen.address, None)
    devices = {}
    for name, row in ROWS.items():
        device = devices[name] = field.enroll_at(row.kind, reader_of(name))
        first[device.address] = row.answer
        field.make(room_of(name), ("ann", device.user_id))
    for name in ROWS:
        field.send(room_of(name), "ann", name)
    eventually(lambda: all(field.tries(each) for each in devices.values()), timeout_s=60)
    due_s = {name: await_end(field, device, ROWS[name]) for name, device in devices.items()}
    eventually(lambda: not field.client.zcard(keys.PUSH_AGAIN), timeout_s=30)
    await_looks(field)
    return {name: ended_as(field, devices[name], due_s[name]) for name in ROWS}


def await_looks(field: PushField) -> None:
    """Return when what the second looks may have made is sent."""
    eventually(lambda: not field.client.zcard(keys.PUSH_LOOKS), timeout_s=30)
    for kind in DeviceKind:
        due: Any = lambda kind=kind: field.client.zcount(keys.push_due(kind), "-inf", now_ms() + 20_000)  # noqa: E731
        eventually(lambda due=due: due() == 0, timeout_s=30)  # type: ignore[misc]


def await_watch(field: PushField, kind: DeviceKind) -> None:
    """Return when the worker has looked by itself for what waits, and what it woke has run."""
    last_question = f"ZCOUNT {keys.intents(keys.SHARDS - 1)} "  # of such a look, which nothing else asks here
    asks_it: Callable[[str], bool] = lambda command: command.startswith(last_question)  # noqa: E731
    await_commands(field.environ["REDIS_URL"], asks_it, 2)  # the first look may have begun before
    # whoever sends a wake-up takes the lease first, and whoever is woken lets go of it at its end
    eventually(lambda: not field.client.exists(keys.PUSH_LEASE, keys.push_lease(kind)), timeout_s=30)


def ended_as(field: PushField, device: Device, due_s: float) -> Ended:
    times = [each.at for each in field.servers[device.kind].seen if each.address == device.address]
    is_letter = device.id in field.letters(device.kind)
    return Ended(due_s, times, is_alive(field, device), is_letter, bool(field.screen(device)))


def await_end(field: PushField, device: Device, row: Row) -> float:
    """Return when nothing more happens for a device."""

    def due_s() -> float:
        name = f"{device.user_id.removesuffix('-reader')} {device.user_id} {device.id}"
        due: Any = field.client.zscore(keys.push_due(row.kind), name)
        return 0 if due is None else (due - now_ms()) / 1000

    if row.ends == LATE:
        return eventually(lambda: due_s() if due_s() > WAITS_S[row.kind] / 2 else 0, timeout_s=20)
    eventually(lambda: due_s() == 0, timeout_s=40)
    return 0


def room_of(name: str) -> str:
    return name.replace(" ", "-")


def reader_of(name: str) -> str:
    return f"{room_of(name)}-reader"


def is_alive(field: PushField, device: Device) -> bool:
    return [each.id for each in field.devices.of(device.user_id)] == [device.id]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_ends_as_it_says(ended: dict[str, Ended], name: str) -> None:
    end, row = ended[name], ROWS[name]
    assert len(end.tries) == (2 if row.ends == AGAIN else 1)
    assert end.is_alive == (row.ends != GONE)
    assert end.is_dead_letter == (row.ends == DEAD)
    assert end.is_shown == (row.ends == AGAIN)
    assert end.due_s == (pytest.approx(WAITS_S[row.kind], abs=15) if row.ends == LATE else 0)
    if "Retry-After" in row.answer.headers:
        assert end.tries[1] - end.tries[0] >= 1


@pytest.mark.parametrize("name", STOPPERS)
def test_a_provider_is_left_alone_and_an_operator_told_when_it_refuses_us(field: PushField, name: str) -> None:
    row = STOPPERS[name]
    server = field.servers[row.kind]
    server.answer_all(row.answer)
    device = told(field, name, row)
    circuit = keys.push_circuit(circuit_of(device))
    eventually(lambda: field.client.hget(circuit, "until"), timeout_s=40)
    eventually(lambda: device.id in field.results.read([device.id]), timeout_s=10)
    assert field.result(device).result == "paused"
    asked = field.tries(device)
    other = told(field, f"{name} too", row)
    eventually(lambda: field.has_job(other), timeout_s=20)
    await_watch(field, row.kind)
    assert (field.tries(device), field.tries(other)) == (asked, 0)
    assert (is_alive(field, device), field.letters(row.kind).get(device.id)) == (True, None)
    # mended, and the time of the circuit has passed
    server.answer_all(None)
    field.client.hset(circuit, "until", 1)
    field.make_due(row.kind)
    for each in (device, other):
        eventually(lambda each=each: bool(field.screen(each)), timeout_s=30)  # type: ignore[misc]
    assert not field.client.exists(circuit)


def test_a_provider_that_is_away_is_left_alone_and_found_again(field: PushField) -> None:
    field.servers.webpush.answer_all(Answer(503))
    users = [f"crowd{number}" for number in range(12)]
    devices = [field.enroll_at(WEBPUSH, user_id) for user_id in users]
    field.make("crowd", ("ann", *users))
    opened = field.counted("push_circuits_opened")
    field.send("crowd", "ann")
    eventually(lambda: field.counted("push_circuits_opened") > opened, timeout_s=30)
    field.servers.webpush.answer_all(None)
    for each in devices:
        eventually(lambda each=each: bool(field.screen(each)), timeout_s=60)  # type: ignore[misc]
    assert field.letters(WEBPUSH).keys().isdisjoint({each.id for each in devices})


def test_the_row_of_a_reader_is_cleared(field: PushField) -> None:
    device = field.enroll_at(APNS, "reader")
    field.make("read", ("ann", "reader"))
    field.send("read", "ann")
    eventually(lambda: field.screen(device), timeout_s=30)
    field.mark("read", "reader", 1)
    with field.worker("seen", processes=1):
        eventually(lambda: not field.screen(device), timeout_s=30)


def test_no_fault_of_a_provider_is_a_fault_of_ours(field: PushField) -> None:
    assert "Traceback" not in (field.folder / "worker-persist-push.log").read_text()
