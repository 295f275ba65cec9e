"""The whole system on a Couchbase that lets it read and not write: all waits for the operator, and says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chat_system import FOR_CROWDS, room_name
from tests.support.couchbase_bucket import Operation, Status
from tests.support.couchbase_system import CouchbaseSystem
from tests.support.crowd import Crowd
from tests.support.wait import eventually

GIVE_UP_S = 2
HEALED_WITHIN_S = 60.0

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]


@pytest.fixture
def system(couchbase_runs: None) -> Iterator[CouchbaseSystem]:
    with CouchbaseSystem({**FOR_CROWDS, "PERSIST_GIVE_UP_S": str(GIVE_UP_S)}) as system:
        yield system


def test_messages_wait_and_readyz_says_what_to_mend_when_writes_are_turned_away(system: CouchbaseSystem) -> None:
    crowd = Crowd(system, room_name())
    crowd.talk(0.5)
    crowd.await_settled(HEALED_WITHIN_S)
    with system.mock.bucket.failing(Status.AUTH_ERROR, Operation.ADD):
        crowd.talk(1)
        told = eventually(lambda: system.get("/readyz").json().get("reasons"), HEALED_WITHIN_S)
        assert list(told) == ["store"]
        assert "the user or the password is wrong, or may not do this; mend STORE_URL" in told["store"]
        confirmed = crowd.confirmed
        crowd.talk(3 * GIVE_UP_S)
        assert not system.is_ready()
        assert crowd.confirmed == confirmed
    crowd.await_settled(HEALED_WITHIN_S)
    eventually(system.is_ready, HEALED_WITHIN_S)
    assert crowd.verdict(system.stored(crowd.room)).is_clean
