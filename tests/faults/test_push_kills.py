"""Many notifications, a fifth of the answers bad, and workers killed: each device shows each room once, none is
forgotten. LONG_FAULTS=1 sends ten times as many."""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.model.device import Device, DeviceKind
from chat.services.push_text import collapse_of
from tests.support.push.fcm_server import fcm_error
from tests.support.push.script import CLOSE, LOST_ANSWER, Answer, Seen
from tests.support.push_field import PushField, collapse_of_request, push_field
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

pytestmark = [pytest.mark.fault, pytest.mark.slow]

IS_LONG = os.environ.get("LONG_FAULTS") == "1"
USERS, ROOMS = (500, 20) if IS_LONG else (100, 10)
TIMEOUT_S = 600 if IS_LONG else 100
FAULT_SHARE = 0.2
FAULTS_EACH = 3  # of one notification: with the two kills it stays under six tries
KILLS = 2
THREADS = 16  # of each provider, in each worker
KINDS = (DeviceKind.WEBPUSH, DeviceKind.FCM)  # APNs wants 15 minutes after a fault of its own
FAULTS = {
    DeviceKind.WEBPUSH: (Answer(503), Answer(429, headers={"Retry-After": "0"}), Answer(500), CLOSE, LOST_ANSWER),
    DeviceKind.FCM: (
        fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"),
        fcm_error(500, "INTERNAL", "INTERNAL"),
        CLOSE,
        LOST_ANSWER,
    ),
}


class Trouble:
    """Answers a fifth of the requests badly, no more than three times for one notification."""

    def __init__(self, faults: tuple[Answer, ...], seed: int) -> None:
        self._faults = faults
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._given: Counter[tuple[str, str]] = Counter()
        self.lost_answers = 0

    def __call__(self, seen: Seen) -> Answer | None:
        if seen.path == "/token":
            return None
        place = seen.address, collapse_of_request(seen.headers, seen.body)
        with self._lock:
            if self._random.random() >= FAULT_SHARE or self._given[place] == FAULTS_EACH:
                return None
            self._given[place] += 1
            answer = self._random.choice(self._faults)
            self.lost_answers += answer is LOST_ANSWER
        return answer


@pytest.fixture
def field(tmp_path: Path) -> Iterator[PushField]:
    with ValkeyProcess() as valkey, push_field(tmp_path, valkey.url) as field:
        yield field


@pytest.mark.timeout(TIMEOUT_S + 120)
def test_each_device_shows_each_room_once_when_answers_fail_and_workers_are_killed(field: PushField) -> None:
    troubles = {kind: Trouble(FAULTS[kind], seed) for seed, kind in enumerate(KINDS)}
    for kind in KINDS:
        field.servers[kind].decide = troubles[kind]
    users = [f"u{number}" for number in range(USERS)]
    devices = [field.enroll_at(KINDS[number % len(KINDS)], user_id) for number, user_id in enumerate(users)]
    rooms = [field.make(f"room{number}", ("ann", *users)) for number in range(ROOMS)]
    wanted = USERS * ROOMS
    with field.worker("persist", processes=1), field.worker("push") as worker:
        for room_id in rooms:
            field.send(room_id, "ann", f"news of {room_id}")
        for kill in range(1, KILLS + 1):
            share = wanted * kill // (KILLS + 1)
            eventually(lambda share=share: len(field.taken()) >= share, TIMEOUT_S)  # type: ignore[misc]
            worker.kill()
            worker.start()
        eventually(lambda: shows_all(field, devices, rooms), TIMEOUT_S, every_s=0.2)
        field.await_quiet(60)  # second looks too
    check(field, devices, rooms)
    repeats = len(field.taken()) - wanted
    lost = sum(each.lost_answers for each in troubles.values())
    seen = sum(len(field.servers[kind].seen) for kind in KINDS)
    print(f"{wanted} notifications: {seen} requests, {repeats} raw repeats, of which {lost} after a lost answer")
    # An answer that a killed worker did not live to note down is repeated, and nothing else is.
    assert repeats - lost <= KILLS * THREADS * len(KINDS)


def shows_all(field: PushField, devices: list[Device], rooms: list[str]) -> bool:
    return all(len(field.screen(each)) == len(rooms) for each in devices)


def check(field: PushField, devices: list[Device], rooms: list[str]) -> None:
    """Each room is on each screen, and never was there as two different notifications."""
    keys_of_rooms = {collapse_of(room_id): room_id for room_id in rooms}
    for device in devices:
        screen = field.screen(device)
        assert screen.keys() == keys_of_rooms.keys()
        assert {keys_of_rooms[key] for key in screen} == {notice["roomId"] for notice in screen.values()}
    told: dict[tuple[str, str], set[str]] = {}
    for taken in field.taken():
        told.setdefault((taken.address, taken.collapse), set()).add(json.dumps(taken.notice["messageId"]))
    assert {len(ids) for ids in told.values()} == {1}
    assert not any(field.letters(kind) for kind in KINDS)
