"""Where pushes leave what others read: who has devices, last results, dead letters, answers to test pushes."""

from __future__ import annotations

import threading

import pytest

from chat.broker import keys, push_dead, push_devices, push_results, push_tests
from chat.broker.members import RedisMembers
from chat.broker.presence_view import RedisPresenceView
from chat.broker.push_jobs import PushJobs
from chat.errors import NoAnswer
from chat.model.clock import rfc3339
from chat.model.device import Device, DeviceKind
from chat.model.push import LastResult, Outcome, Target

FCM, APNS = DeviceKind.FCM, DeviceKind.APNS
AT_MS = 1_700_000_000_000


def device(device_id="phone", user_id="bob", at_ms=AT_MS):
    return Device(device_id, FCM, user_id, "token", rfc3339(at_ms), rfc3339(at_ms))


def test_a_registration_counts_whatever_a_reading_from_before_says(client):
    devices = push_devices.PushDevices(client)
    assert devices.has(["bob", "ann"]) == {"bob": None, "ann": None}
    devices.registered(device())
    devices.keep({"bob": False, "ann": False})
    assert devices.has(["bob", "ann"]) == {"bob": True, "ann": False}
    devices.registered(device("tablet", "ann"))
    assert devices.has(["ann"]) == {"ann": True}
    assert client.ttl(keys.push_has("ann")) > 80_000
    assert devices.has([]) == {}


def test_many_users_are_asked_for_in_one_round_trip(client):
    devices = push_devices.PushDevices(client)
    users = [f"u{number}" for number in range(2500)]
    devices.keep(dict.fromkeys(users, False))
    client.config_resetstat()
    assert not any(devices.has(users).values())
    assert client.info("commandstats")["cmdstat_mget"]["calls"] == 3


def test_devices_are_forgotten_when_they_were_not_registered_since(client):
    devices = push_devices.PushDevices(client)
    for number in range(3):
        devices.registered(device(f"d{number}", at_ms=AT_MS + number))
    stale = devices.stale(AT_MS + 1, 10)
    assert stale == ["d0", "d1"]
    devices.registered(device("d1", at_ms=AT_MS + 5000))
    devices.forget(stale, AT_MS + 100)
    assert devices.stale(AT_MS + 10_000, 10) == ["d2", "d1"]


def test_the_last_result_of_a_device_is_kept(client):
    results = push_results.PushResults(client)
    results.write({"phone": LastResult("2026-01-01T00:00:00.000Z", "later", "503")})
    results.write({"phone": LastResult("2026-01-02T00:00:00.000Z", "delivered")})
    found = results.read(["phone", "tablet"])
    assert found == {"phone": LastResult("2026-01-02T00:00:00.000Z", "delivered", None)}
    assert results.read([]) == {}
    assert client.ttl(keys.push_result("phone")) > 29 * 86_400


@pytest.fixture
def letters(client):
    """Three letters of one provider, and one of another."""
    jobs = PushJobs(client, [FCM, APNS])
    for kind, number in ((FCM, 1), (FCM, 2), (APNS, 3), (FCM, 4)):
        jobs.note({Target(kind, "r1", "bob", f"d{number}"): number})
        [claimed] = jobs.claim(kind, 1)
        jobs.finish(claimed, Outcome.DEAD, reason=f"fault {number}")
    return push_dead.PushDeadLetters(client, jobs)


def test_letters_are_read_page_by_page(letters):
    assert letters.count() == 4
    first = letters.read(limit=2)
    assert [(each.target.kind, each.seq, each.reason) for each in first] == [
        (FCM, 1, "fault 1"),
        (FCM, 2, "fault 2"),
    ]
    rest = letters.read(limit=2, cursor=first[-1].letter_id)
    assert [each.target.device_id for each in rest] == ["d4", "d3"]
    assert letters.read(limit=2, cursor=rest[-1].letter_id) == []
    assert [each.seq for each in letters.read(APNS)] == [3]
    assert [each.seq for each in letters.all()] == [1, 2, 4, 3]


def test_a_letter_becomes_a_job_once_when_it_is_redriven(client, letters):
    letter = letters.read()[0]
    assert letters.find(letter.letter_id) == letter
    assert letters.redrive(letter.letter_id)
    assert not letters.redrive(letter.letter_id)
    assert client.zcard(keys.push_due(FCM)) == 1
    assert letters.find(letter.letter_id) is None


@pytest.mark.parametrize("letter_id", ["", "fcm", "fcm:1", "fcm:1-x", "sms:1-1", "fcm:1-1"])
def test_nothing_is_found_when_there_is_no_such_letter(letters, letter_id):
    assert letters.find(letter_id) is None
    assert not letters.drop(letter_id)
    assert not letters.redrive(letter_id)


def test_letters_are_dropped(letters):
    assert letters.drop(letters.read()[0].letter_id)
    assert letters.count() == 3


def test_who_asked_for_a_test_hears_what_the_worker_says(client):
    result = push_tests.TestResult("phone", "fcm", "delivered")
    workers = []

    def work(user_id, token):
        workers.append(threading.Thread(target=push_tests.answer, args=(client, token, [result])))
        workers[-1].start()

    assert push_tests.PushTests(client, work).run("bob") == [result]
    workers[0].join(5)  # it goes on for a moment, and the client is closed behind this
    assert not workers[0].is_alive()


def test_who_asked_for_a_test_is_told_when_no_worker_answers(client):
    with pytest.raises(NoAnswer):
        push_tests.PushTests(client, lambda *_: None, wait_s=0.1).run("bob")


def test_members_and_presence_are_read_for_many_at_once(client):
    members = RedisMembers(client)
    client.sadd(keys.room_members("r1"), "ann", "bob")
    assert members.members_of_many(["r1", "r2"]) == {"r1": {"ann", "bob"}}
    asked = [("r1", "ann"), ("r1", "cleo"), ("r2", "ann")]
    assert list(members.ask_many(asked).values()) == [True, False, None]
    client.zadd(keys.presence_due(keys.shard_of("ann")), {"ann": 1})
    assert RedisPresenceView(client).online(["ann", "bob"]) == {"ann"}
    assert RedisPresenceView(client).online([]) == set()
