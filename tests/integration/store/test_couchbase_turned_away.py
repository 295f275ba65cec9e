"""A cluster that turns an open connection away: the bucket is gone, or the password was changed, and is mended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial

import pytest

from chat.store.base import Insert, Kind, Outcome, Unavailable, Written
from chat.store.couchbase.adapter import CouchbaseStore
from chat.store.couchbase.connection import Connection
from chat.store.couchbase.session import Timeouts, open_session
from config.couchbase_url import read_couchbase
from config.durability import StoreDurability
from tests.support.couchbase_bucket import Operation, Status
from tests.support.couchbase_mock import CouchbaseMock
from tests.support.wait import eventually

HEALED_WITHIN_S = 30
SHORT = Timeouts(operation_s=0.3, call_s=0.6)
pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]


def take_bucket_away(mock: CouchbaseMock) -> Callable[[], None]:
    """Have another bucket where ours was; the answer brings ours back."""
    first = mock.bucket.ports[0]
    change_bucket(mock, "chat", "another", first)
    return partial(change_bucket, mock, "another", "chat", first)


def change_password(mock: CouchbaseMock) -> Callable[[], None]:
    """Drop all connections and take no login; the answer takes them again."""
    change_bucket(mock, "chat", "chat", mock.bucket.ports[0])
    mock.bucket.fail(Status.AUTH_ERROR, operation=Operation.SASL_AUTH)
    return mock.bucket.work


def change_bucket(mock: CouchbaseMock, old: str, new: str, port: int) -> None:
    mock.order(f"remove {old}")

    def is_made() -> bool:
        try:
            mock.order(f"create {new} {port}")
        except RuntimeError:  # its ports are still closing
            return False
        return True

    eventually(is_made, HEALED_WITHIN_S)


@pytest.mark.parametrize(
    ("turn_away", "said"),
    [(take_bucket_away, "there is no such bucket"), (change_password, "the user or the password is wrong")],
)
def test_an_open_connection_hears_what_to_mend_and_goes_on_when_it_is(
    couchbase_mock: CouchbaseMock, turn_away: Callable[[CouchbaseMock], Callable[[], None]], said: str
) -> None:
    address = read_couchbase(couchbase_mock.url)
    opened = partial(open_session, address, StoreDurability.NONE, SHORT)
    with closing(CouchbaseStore(address, timeouts=SHORT, connection=Connection(opened, reopen_after_s=1))) as store:

        def write() -> Outcome:
            [outcome] = store.write_many([Insert(Kind.MESSAGE, "m", b"{}")])
            return outcome

        eventually(lambda: isinstance(write(), Written), HEALED_WITHIN_S)
        mend = turn_away(couchbase_mock)

        def is_told() -> bool:
            outcome = write()
            return isinstance(outcome, Unavailable) and outcome.is_misconfigured and said in outcome.reason

        eventually(is_told, HEALED_WITHIN_S)
        mend()
        eventually(lambda: not isinstance(write(), Unavailable), HEALED_WITHIN_S)
