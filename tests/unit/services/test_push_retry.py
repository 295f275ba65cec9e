from __future__ import annotations

from dataclasses import replace

import pytest

from chat.model.device import DeviceKind
from chat.model.push import Claimed, Target
from chat.push.base import Later
from chat.services.push_retry import LONGEST_S, RetryPolicy, is_outage, may_have_arrived

CLAIMED = Claimed(Target(DeviceKind.FCM, "r", "u", "d"), 1, False, 1, 0, 0, "t")
POLICY = RetryPolicy()


@pytest.mark.parametrize("tries", range(1, 6))
def test_the_limit_of_the_pause_doubles_with_each_try(tries):
    waits = [POLICY.wait_s(replace(CLAIMED, tries=tries), Later("503"), 0) for _ in range(200)]
    assert all(each is not None and 10 <= each <= min(10 * 2**tries, LONGEST_S) for each in waits)
    assert len(set(waits)) > 1


def test_what_the_provider_asks_for_is_kept_and_what_comes_back_is_spread():
    waits = [POLICY.wait_s(CLAIMED, Later("429", 77), 0) for _ in range(200)]
    assert all(each is not None and 77 <= each <= 77 * 1.1 for each in waits)
    assert len(set(waits)) > 1


def test_the_tries_are_not_spent_at_once_when_a_provider_asks_for_no_wait():
    wait_s = POLICY.wait_s(CLAIMED, Later("429", 0), 0)
    assert wait_s is not None
    assert wait_s >= POLICY.least_s


@pytest.mark.parametrize(
    ("tries", "now_s", "after_s", "goes_on"),
    [(5, 0, 1, True), (6, 0, 1, False), (1, 3500, 99, True), (1, 3500, 101, False), (1, 0, 3601, False)],
)
def test_it_is_given_up_after_six_tries_or_an_hour(tries, now_s, after_s, goes_on):
    wait_s = POLICY.wait_s(replace(CLAIMED, tries=tries), Later("429", after_s), now_s * 1000)
    assert (wait_s is not None) == goes_on


@pytest.mark.parametrize(
    ("reason", "is_down"),
    [
        *((reason, True) for reason in ("503", "500 INTERNAL", "connect", "timeout", "oauth 500")),
        *((reason, False) for reason in ("429", "429 QUOTA_EXCEEDED", "406", "oauth 429", "408")),
    ],
)
def test_a_slower_pace_is_no_outage(reason, is_down):
    assert is_outage(Later(reason)) == is_down


@pytest.mark.parametrize(
    ("reason", "may_be"),
    [("closed", True), ("timeout", True), ("connect", False), ("503", False), ("oauth timeout", False)],
)
def test_only_what_was_asked_and_not_answered_may_have_arrived(reason, may_be):
    assert may_have_arrived(Later(reason)) == may_be
