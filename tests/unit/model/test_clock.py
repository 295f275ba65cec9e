from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.model.clock import ms_of, now_ms, rfc3339

START = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
        (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
        (1_709_210_096_050, "2024-02-29T12:34:56.050Z"),
    ],
)
def test_a_time_is_rfc_3339_in_utc_when_shown(ms, text):
    assert rfc3339(ms) == text


@given(st.integers(0, 4_102_444_800_000))
def test_a_time_reads_back_as_it_was_when_shown(ms):
    assert datetime.fromisoformat(rfc3339(ms)) == START + timedelta(milliseconds=ms)


@given(st.integers(0, 4_102_444_800_000), st.integers(0, 4_102_444_800_000))
def test_texts_sort_as_times_do_when_they_are_compared(one, other):
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


def test_the_clock_is_the_wall_clock_in_ms_when_it_is_read():
    before = time.time() * 1000
    now = now_ms()
    assert before - 1 <= now <= time.time() * 1000 + 1


def test_a_time_is_read_as_it_was_written():
    assert ms_of(rfc3339(1_800_000_000_123)) == 1_800_000_000_123
    assert ms_of("2026-01-31T13:00:00+01:00") == ms_of("2026-01-31T12:00:00.000Z")


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00", "tomorrow", ""])
def test_a_time_that_is_none_is_not_read(text):
    with pytest.raises(ValueError):  # noqa: PT011 - from the standard library, in its words
        ms_of(text)
