"""Every row of the failure tables, said by a real server."""

import pytest

from chat.model.device import DeviceKind
from chat.push.base import Delivered, Later, Paused
from tests.support.push import apns_rows, fcm_rows, webpush_rows
from tests.support.push.apns_server import apns_error
from tests.support.push.fcm_server import fcm_error
from tests.support.push.notices import notice
from tests.support.push.script import CLOSE, Answer

ROWS = [
    *((DeviceKind.WEBPUSH, row) for row in webpush_rows.ROWS),
    *((DeviceKind.FCM, row) for row in fcm_rows.ROWS),
    *((DeviceKind.APNS, row) for row in apns_rows.ROWS),
]


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=[f"{kind}-{row.name}" for kind, row in ROWS])
def test_a_push_ends_as_the_table_says(push, providers, kind, row):
    push[kind].answer_all(row.answer)
    assert providers[kind].push(push.target(kind).device(), notice()) == row.result


@pytest.mark.parametrize("row", fcm_rows.GRANT_ROWS, ids=lambda row: row.name)
def test_a_push_ends_as_the_table_says_when_google_gives_no_token(push, providers, row):
    push.fcm.oauth.answer_all(row.answer)
    assert providers[DeviceKind.FCM].push(push.target(DeviceKind.FCM).device(), notice()) == row.result
    assert push.fcm.seen == []


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_push_is_for_later_when_the_connection_closes_without_an_answer(push, providers, kind):
    push[kind].answer_all(CLOSE)
    assert providers[kind].push(push.target(kind).device(), notice()) == Later("closed")


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_long_answer_is_read_in_part_only(push, providers, kind):
    push[kind].answer_all(Answer(503, b"x" * 1_000_000))
    result = providers[kind].push(push.target(kind).device(), notice())
    assert isinstance(result, Later)
    assert result.reason == "503"


def test_the_access_token_is_fetched_once(push, providers):
    for target in [push.target(DeviceKind.FCM) for _ in range(5)]:
        assert providers[DeviceKind.FCM].push(target.device(), notice()) == Delivered()
    assert len(push.fcm.oauth.seen) == 1


def test_the_access_token_is_renewed_before_it_ends(push, providers, monkeypatch):
    monkeypatch.setattr(push.fcm, "lifetime_s", 200)  # less than what a token must have left
    for _ in range(3):
        providers[DeviceKind.FCM].push(push.target(DeviceKind.FCM).device(), notice())
    assert len(push.fcm.oauth.seen) == 3


def test_another_access_token_is_fetched_when_one_is_refused(push, providers):
    device = push.target(DeviceKind.FCM).device()
    providers[DeviceKind.FCM].push(device, notice())
    push.fcm.revoke_tokens()
    assert providers[DeviceKind.FCM].push(device, notice()) == Delivered()
    assert len(push.fcm.oauth.seen) == 2


def test_the_provider_pauses_when_every_access_token_is_refused(push, providers):
    push.fcm.answer_all(fcm_error(401, "UNAUTHENTICATED"))
    result = providers[DeviceKind.FCM].push(push.target(DeviceKind.FCM).device(), notice())
    assert result == Paused("401 UNAUTHENTICATED")
    assert (len(push.fcm.seen), len(push.fcm.oauth.seen)) == (2, 2)


def test_a_young_provider_token_is_not_renewed_when_apple_calls_it_expired(push, providers, monkeypatch):
    provider = providers[DeviceKind.APNS]
    monkeypatch.setattr(provider._tokens, "_now", lambda: 1_800_000_000 // 2400 * 2400 + 60)
    push.apns.answer_all(apns_error(403, "ExpiredProviderToken"))
    result = provider.push(push.target(DeviceKind.APNS).device(), notice())
    assert result == Paused("403 ExpiredProviderToken")
    assert len(push.apns.seen) == 1


def test_an_old_provider_token_is_renewed_when_apple_calls_it_expired(push, providers, monkeypatch):
    provider = providers[DeviceKind.APNS]
    monkeypatch.setattr(provider._tokens, "_now", lambda: 1_800_000_000 // 2400 * 2400 + 1260)
    push.apns.answer_next(apns_error(403, "ExpiredProviderToken"), Answer(200))
    assert provider.push(push.target(DeviceKind.APNS).device(), notice()) == Delivered()
    first, second = (seen.headers["authorization"] for seen in push.apns.seen)
    assert first != second


def test_a_foreign_key_stops_one_subscription_only(push, providers, monkeypatch):
    monkeypatch.setattr(push.webpush, "application_key", "another")
    result = providers[DeviceKind.WEBPUSH].push(push.target(DeviceKind.WEBPUSH).device(), notice())
    assert result.reason == "403 subscribed with another VAPID key"
    assert not isinstance(result, Paused)


def test_the_service_that_pauses_is_told(push, providers):
    push.webpush.answer_all(Answer(403, {"reason": "BadJwtToken"}))
    result = providers[DeviceKind.WEBPUSH].push(push.target(DeviceKind.WEBPUSH).device(), notice())
    assert isinstance(result, Paused)
    assert result.service == "127.0.0.1"
