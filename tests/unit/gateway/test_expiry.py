"""Each token is announced to end once, and ends its connection unless another came."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest

from chat.errors import Unauthenticated
from chat.gateway import expiry
from chat.gateway.identity import Identity
from tests.support.local_client import LocalClient


@pytest.fixture
def ann() -> Iterator[LocalClient]:
    client = LocalClient("ann")
    yield client
    client.close()


def until(ann: LocalClient, left_s: float | None) -> None:
    ends = None if left_s is None else time.time() + left_s
    ann.session.identity = Identity("ann", "Ann", expires_at=ends)
    expiry.begin(ann.session)


def events(ann: LocalClient) -> list[str]:
    return [each["event"] for each in ann.told()]


def test_nothing_is_due_when_a_token_lasts_or_never_ends(ann):
    until(ann, 3600)
    assert ann.session.auth_due == pytest.approx(time.time() + 3540, abs=5)
    until(ann, None)
    assert ann.session.auth_due == math.inf
    assert events(ann) == []


@pytest.mark.parametrize("left_s", [59, 1, 0, -1])
def test_the_end_is_announced_at_once_when_little_is_left(ann, left_s):
    until(ann, left_s)
    [told] = ann.told()
    assert told["event"] == "auth-expiring"
    assert told["data"]["expiresInMs"] == pytest.approx(max(0, left_s) * 1000, abs=900)


def test_the_end_comes_after_one_announcement_when_no_other_token_came(ann):
    until(ann, 61)
    ends = ann.session.identity.expires_at
    for now in (ends - 59.9, ends - 59, ends - 1):
        if ann.session.auth_due <= now:
            expiry.act(ann.session, now)
    assert events(ann) == ["auth-expiring"]
    expiry.act(ann.session, ends)
    [closing] = ann.told()
    assert closing["data"]["code"] == 4002


def test_a_fresh_token_starts_anew_when_it_is_the_users_own(ann):
    until(ann, 5)
    told = expiry.refresh(ann.session, Identity("ann", "Ann B", expires_at=4e9))
    assert told == {"userId": "ann", "expiresAt": "2096-10-02T07:06:40.000Z"}
    assert ann.session.identity.name == "Ann B"
    assert ann.session.auth_due == 4e9 - 60
    assert events(ann) == ["auth-expiring"]


def test_one_token_is_announced_once_when_it_is_shown_again(ann):
    until(ann, 5)
    for _ in range(3):
        expiry.refresh(ann.session, ann.session.identity)
    assert events(ann) == ["auth-expiring"]


def test_an_end_can_be_told_when_it_is_beyond_all_dates(ann):
    told = expiry.refresh(ann.session, Identity("ann", "Ann", expires_at=1e30))
    assert told["expiresAt"].startswith("9999-12-31")


@pytest.mark.parametrize("is_guest", [False, True])
def test_nothing_changes_when_the_token_is_not_for_this_user(ann, is_guest):
    before = Identity("ann", "Ann", is_guest=is_guest, expires_at=4e9)
    ann.session.identity = before
    with pytest.raises(Unauthenticated):
        expiry.refresh(ann.session, Identity("ann" if is_guest else "eve", "Eve", expires_at=5e9))
    assert ann.session.identity is before
