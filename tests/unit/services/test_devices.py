"""Whose a device is, whatever comes between two writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.model.clock import ms_of
from chat.model.device import DeviceKind, device_id
from chat.services.devices import DEVICES_LIMIT, STALE_MS, Devices
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore

FCM = DeviceKind.FCM


class Clock:
    ms = 1_800_000_000_000

    def __call__(self):
        self.ms += 1
        return self.ms


class Interrupted(Exception):
    """The process died."""


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield store
    store.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def devices(store, clock):
    return Devices(store, clock)


def addresses(devices, user_id):
    return [each.address for each in devices.of(user_id)]


def dying_at(monkeypatch, store, kind, verb="insert"):
    whole = getattr(store, verb)

    def write(written, *rest):
        if written is kind:
            raise Interrupted
        return whole(written, *rest)

    monkeypatch.setattr(store, verb, write)


def test_a_registration_is_found_again_with_all_that_it_said(devices):
    made = devices.register("ann", DeviceKind.WEBPUSH, "https://push.example/1", "point", "secret")
    assert devices.of("ann") == [made]
    assert (made.id, made.p256dh, made.auth) == (
        device_id(DeviceKind.WEBPUSH, "https://push.example/1"),
        "point",
        "secret",
    )
    assert devices.of("bob") == []


def test_the_same_target_again_is_the_same_device_and_fresher(devices):
    first, other, again = (devices.register("ann", FCM, each) for each in ("a", "b", "a"))
    assert (again.id, again.created_at) == (first.id, first.created_at)
    assert again.refreshed_at > first.refreshed_at
    assert devices.of("ann") == [other, again]


def test_two_registrations_of_one_instant_have_two_times(store):
    devices = Devices(store, lambda: 1_800_000_000_000)
    first, second = (devices.register("ann", FCM, "a") for _ in range(2))
    assert ms_of(second.refreshed_at) == ms_of(first.refreshed_at) + 1


def test_a_phone_that_changed_accounts_is_the_new_ones(devices, store):
    before = devices.register("ann", FCM, "phone")
    after = devices.register("bob", FCM, "phone")
    assert (after.id, after.user_id) == (before.id, "bob")
    assert after.created_at > before.created_at
    assert devices.of_many(["ann", "bob"]) == {"ann": [], "bob": [after]}
    assert store.get(Kind.USER_DEVICES, "ann").body == b'{"devices":{}}'
    devices.drop(before)
    assert devices.remove("ann", before.id) is False
    assert devices.of("bob") == [after]
    assert addresses(devices, "ann") == []
    devices.register("ann", FCM, "phone")
    assert (addresses(devices, "ann"), addresses(devices, "bob")) == (["phone"], [])


def test_nobody_gets_anothers_pushes_when_a_registration_dies_between_its_writes(devices, store, monkeypatch):
    devices.register("ann", FCM, "phone")
    with monkeypatch.context() as patched:
        dying_at(patched, store, Kind.USER_DEVICES)
        with pytest.raises(Interrupted):
            devices.register("bob", FCM, "phone")
    assert devices.of_many(["ann", "bob"]) == {"ann": [], "bob": []}
    devices.register("bob", FCM, "phone")
    assert addresses(devices, "bob") == ["phone"]


def test_a_removed_device_is_gone_when_the_removal_dies_between_its_writes(devices, store, monkeypatch):
    made = devices.register("ann", FCM, "phone")
    with monkeypatch.context() as patched:
        whole = store.replace

        def replace(kind, *rest):
            if kind is Kind.USER_DEVICES:
                raise Interrupted
            return whole(kind, *rest)

        patched.setattr(store, "replace", replace)
        with pytest.raises(Interrupted):
            devices.remove("ann", made.id)
    assert devices.of("ann") == []
    assert b"phone" not in store.get(Kind.DEVICE, made.id).body


def test_one_removes_ones_own_and_once(devices):
    made = devices.register("ann", FCM, "phone")
    assert devices.remove("bob", made.id) is False
    assert addresses(devices, "ann") == ["phone"]
    assert [devices.remove("ann", made.id) for _ in range(2)] == [True, False]
    assert devices.of("ann") == []
    assert devices.remove("ann", "never-there") is False


def test_a_device_that_failed_for_good_is_kept_when_it_was_registered_since(devices):
    failed = devices.register("ann", FCM, "phone")
    fresh = devices.register("ann", FCM, "phone")
    devices.drop(failed)
    assert devices.of("ann") == [fresh]
    devices.drop(fresh)
    assert devices.of("ann") == []
    again = devices.register("ann", FCM, "phone")
    assert again.refreshed_at > fresh.refreshed_at
    devices.drop(fresh)
    assert devices.of("ann") == [again]


def test_the_one_registered_longest_ago_goes_when_there_are_too_many(devices, store):
    made = [devices.register("ann", FCM, f"d{n}") for n in range(DEVICES_LIMIT)]
    devices.register("ann", FCM, "d0")
    devices.register("ann", FCM, "one-more")
    assert addresses(devices, "ann") == [*(f"d{n}" for n in range(2, DEVICES_LIMIT)), "d0", "one-more"]
    assert b'"d1"' not in store.get(Kind.DEVICE, made[1].id).body


def test_a_device_nobody_registers_for_270_days_is_no_more(devices, clock, store):
    devices.register("ann", FCM, "old")
    clock.ms += STALE_MS - 100
    devices.register("ann", FCM, "new")
    assert addresses(devices, "ann") == ["old", "new"]
    clock.ms += 100
    assert addresses(devices, "ann") == ["new"]
    assert device_id(FCM, "old").encode() not in store.get(Kind.USER_DEVICES, "ann").body
    assert devices.prune([device_id(FCM, each) for each in ("old", "new", "never")]) == 1
    assert store.get(Kind.DEVICE, device_id(FCM, "old")) is None
    assert addresses(devices, "ann") == ["new"]


def test_what_is_left_of_removed_devices_is_pruned(devices, store):
    made = devices.register("ann", FCM, "phone")
    devices.remove("ann", made.id)
    assert store.get(Kind.DEVICE, made.id) is not None
    assert devices.prune([made.id]) == 1
    assert store.get(Kind.DEVICE, made.id) is None


def test_many_users_cost_two_reads(devices, store):
    for user in "abc":
        for n in range(3):
            devices.register(user, FCM, f"{user}{n}")
    before = store.round_trips
    found = devices.of_many(["a", "b", "c", "nobody"])
    assert store.round_trips - before == 2
    assert {user: len(each) for user, each in found.items()} == {"a": 3, "b": 3, "c": 3, "nobody": 0}


def test_no_registration_is_lost_when_several_come_at_once(devices):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: devices.register("ann", FCM, f"d{n % 10}"), range(20)))
    assert sorted(addresses(devices, "ann")) == [f"d{n}" for n in range(10)]


def test_a_registration_that_comes_while_the_list_is_tidied_stays(devices, store, monkeypatch):
    made = devices.register("ann", FCM, "phone")
    devices.register("bob", FCM, "phone")
    whole, turns = store.get_many, []

    def get_many(kind, keys):
        found = whole(kind, keys)
        turns.append(kind)
        if turns == [Kind.USER_DEVICES, Kind.DEVICE, Kind.DEVICE]:  # the tidying has read: ann comes back
            devices.register("ann", FCM, "phone")
        return found

    monkeypatch.setattr(store, "get_many", get_many)
    devices.of("ann")
    assert len(turns) > 3
    assert [each.id for each in devices.of("ann")] == [made.id]


def test_each_registration_is_heard_once_it_is_stored(store, clock):
    heard = []
    listening = Devices(store, clock, lambda device: heard.append((device, listening.of("ann"))))
    made = listening.register("ann", FCM, "phone")
    assert heard == [(made, [made])]
