"""What each exception of the SDK means for a caller, in words that show no login and no key."""

from __future__ import annotations

import couchbase.exceptions as sdk
import pytest

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.couchbase.faults import is_silence, outage_of, reason_to_refuse


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (sdk.AuthenticationException, "the user or the password is wrong"),
        (sdk.BucketNotFoundException, "there is no such bucket for this user"),
        (sdk.ScopeNotFoundException, "the scope is missing; make it with `python -m chat.store setup`"),
        (sdk.CollectionNotFoundException, "a collection is missing; make it with"),
        (sdk.UnsupportedOperation, "the server has no collections; leave out ?scope="),
        (sdk.FeatureUnavailableException, "the server lacks what is asked of it"),
        (sdk.DurabilityImpossibleException, "fewer nodes hold copies than STORE_DURABILITY asks for"),
        (sdk.DurabilityInvalidLevelException, "the bucket can't have STORE_DURABILITY"),
    ],
)
def test_an_operator_has_to_mend(fault: type[sdk.CouchbaseException], said: str) -> None:
    outage = outage_of("insert", fault("user:secret"))

    assert isinstance(outage, StoreMisconfigured)
    assert outage.fault.startswith(said)
    assert "secret" not in str(outage)


def test_a_collection_that_the_client_keeps_asking_for_is_missing() -> None:
    context = sdk.KeyValueErrorContext.from_dict(retry_reasons={"key_value_collection_outdated"})
    fault = sdk.UnAmbiguousTimeoutException(context=context)

    assert isinstance(outage_of("get", fault), StoreMisconfigured)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (sdk.AmbiguousTimeoutException(), "no answer in time"),
        (sdk.UnAmbiguousTimeoutException(), "no answer in time"),
        (sdk.TemporaryFailException(), "the node is too busy for now"),
        (sdk.RequestCanceledException(), "the connection was lost"),
        (sdk.DocumentLockedException(), "DocumentLocked"),
        (sdk.RateLimitedException(), "RateLimited"),
        (RuntimeError("user:secret"), "RuntimeError"),
        (StoreUnavailable("write", "no answer in time"), "no answer in time"),
    ],
)
def test_time_alone_may_do(fault: Exception, said: str) -> None:
    outage = outage_of("insert", fault)

    assert not isinstance(outage, StoreMisconfigured)
    assert str(outage) == f"the document store is not available (insert): {said}"


def test_only_the_document_itself_is_refused() -> None:
    too_large = type("TooLarge", (sdk.CouchbaseException,), {"error_code": 104})()

    assert reason_to_refuse(too_large) == "the document is larger than the store takes"
    assert reason_to_refuse(sdk.InvalidArgumentException()) == "the store can't read the document"
    assert reason_to_refuse(sdk.AuthenticationException()) is None
    assert reason_to_refuse(RuntimeError()) is None


def test_silence_is_when_nobody_answered() -> None:
    assert is_silence(sdk.AmbiguousTimeoutException())
    assert is_silence(sdk.RequestCanceledException())
    assert is_silence(RuntimeError("Cannot perform operations on a closed cluster"))
    assert not is_silence(sdk.TemporaryFailException())
    assert not is_silence(sdk.DocumentNotFoundException())
