from __future__ import annotations

import time

import pytest

from chat.gateway.latency import SAMPLES, Latency


@pytest.fixture
def clock(monkeypatch):
    now = [1_700_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def note(window, clock, *ms):
    for each in ms:
        window.since_ms(clock[0] * 1000 - each)


def test_there_are_no_percentiles_when_nothing_was_noted():
    assert Latency().percentiles() == {"p50": None, "p95": None, "p99": None}


def test_one_sample_is_every_percentile_when_it_is_alone(clock):
    window = Latency()
    note(window, clock, 7)
    assert window.percentiles() == {"p50": 7, "p95": 7, "p99": 7}


def test_percentiles_are_exact_when_samples_come_in_any_order(clock):
    window = Latency()
    note(window, clock, *reversed(range(101)))
    assert window.percentiles() == {"p50": 50, "p95": 95, "p99": 99}


def test_old_samples_are_forgotten_when_the_window_is_full(clock):
    window = Latency()
    note(window, clock, *[1000] * 10, *[5] * SAMPLES)
    assert window.percentiles()["p99"] == 5


def test_a_latency_is_not_below_zero_when_a_clock_goes_wrong(clock):
    window = Latency()
    note(window, clock, -50)
    assert window.percentiles()["p50"] == 0
