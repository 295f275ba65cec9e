"""trip_circuit.lua on a real server."""

from __future__ import annotations

import pytest

from chat.broker import keys
from chat.broker.push_circuits import PushCircuits
from chat.model.clock import now_ms
from chat.model.device import DeviceKind
from chat.model.push import Circuit

FCM = DeviceKind.FCM


@pytest.fixture
def circuits(client) -> PushCircuits:
    return PushCircuits(client, failures=3, first_s=10, longest_s=15)


def wait_it_out(client):
    """Let the time of an open circuit have passed."""
    client.hset(keys.push_circuit(FCM), "until", now_ms() - 1)


def seconds_left(tripped):
    return (tripped.until_ms - now_ms()) / 1000


def test_a_circuit_opens_when_a_provider_fails_so_often_in_a_row(client, circuits):
    assert circuits.of(FCM) == Circuit()
    assert [circuits.failed(FCM, "500").status for _ in range(2)] == ["closed", "closed"]
    assert circuits.of(FCM) == Circuit(failures=2)
    opened = circuits.failed(FCM, "503")
    assert opened.status == "opened"
    assert seconds_left(opened) == pytest.approx(10, abs=2)
    assert circuits.failed(FCM, "503") == ("open", opened.until_ms)
    circuit = circuits.of(FCM)
    assert (circuit.open_until_ms, circuit.reason) == (opened.until_ms, "503")
    assert circuit.is_open(now_ms())
    assert circuits.all([DeviceKind.APNS]) == {DeviceKind.APNS: Circuit()}


def test_one_more_failure_opens_it_for_longer_when_its_time_has_passed(client, circuits):
    for _ in range(3):
        circuits.failed(FCM, "500")
    wait_it_out(client)
    assert circuits.of(FCM).is_probing(now_ms())
    again = circuits.failed(FCM, "500")
    assert again.status == "opened"
    assert seconds_left(again) == pytest.approx(15, abs=2)  # twice as long, and no longer than that


def test_it_counts_from_the_start_when_the_provider_answered(client, circuits):
    circuits.failed(FCM, "500")
    circuits.failed(FCM, "500")
    assert circuits.mended(FCM)
    assert not circuits.mended(FCM)
    assert circuits.failed(FCM, "500").status == "closed"


def test_it_opens_at_once_when_an_operator_is_needed(client, circuits):
    paused = circuits.pause(FCM, "the key is refused", 60)
    assert paused.status == "opened"
    assert seconds_left(paused) == pytest.approx(60, abs=2)
    assert circuits.pause(FCM, "the key is refused", 60).status == "open"
    assert circuits.of(FCM).reason == "the key is refused"
    assert client.ttl(keys.push_circuit(FCM)) > 0
