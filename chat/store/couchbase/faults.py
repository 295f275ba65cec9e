"""What an exception of the SDK says about an operation: done differently, in doubt, turned away, or an outage."""

from __future__ import annotations

from couchbase.exceptions import (
    AmbiguousTimeoutException,
    AuthenticationException,
    BucketNotFoundException,
    CasMismatchException,
    CollectionNotFoundException,
    CouchbaseException,
    DocumentExistsException,
    DocumentNotFoundException,
    DocumentNotJsonException,
    DurabilityImpossibleException,
    DurabilityInvalidLevelException,
    DurabilitySyncWriteAmbiguousException,
    FeatureUnavailableException,
    InternalSDKException,
    InternalServerFailureException,
    InvalidArgumentException,
    InvalidValueException,
    PathInvalidException,
    PathMismatchException,
    PathNotFoundException,
    PathTooBigException,
    PathTooDeepException,
    RequestCanceledException,
    ScopeNotFoundException,
    TemporaryFailException,
    UnAmbiguousTimeoutException,
    UnsupportedOperation,
    ValueTooDeepException,
)

from chat.errors import StoreMisconfigured, StoreUnavailable

ABSENT = DocumentNotFoundException
TAKEN = DocumentExistsException
CHANGED = CasMismatchException
# The node may have done it, or may do it later: pitfalls of a timeout.
IN_DOUBT = (AmbiguousTimeoutException, RequestCanceledException, DurabilitySyncWriteAmbiguousException)
# A part of the document is not as sub-document operations need it: the whole document decides.
NOT_BY_PATH = (
    PathInvalidException,
    PathMismatchException,
    PathNotFoundException,
    PathTooBigException,
    PathTooDeepException,
    ValueTooDeepException,
    DocumentNotJsonException,
    InternalServerFailureException,  # a server that stumbles over the path
)
NO_SYNC_DURABILITY = (RequestCanceledException, FeatureUnavailableException, UnsupportedOperation)
IMPOSSIBLE = (DurabilityImpossibleException, DurabilityInvalidLevelException)
VALUE_TOO_LARGE = 104  # has no class of its own: the code of the SDK's core

_SETUP = "make it with `python -m chat.store setup` or mend STORE_URL"
_COPIES = "fewer nodes hold copies than STORE_DURABILITY asks for; add nodes or set STORE_DURABILITY=none"
_MISCONFIGURED: dict[type[CouchbaseException], str] = {
    AuthenticationException: "the user or the password is wrong, or may not do this; mend STORE_URL",
    BucketNotFoundException: "there is no such bucket for this user; mend STORE_URL",
    ScopeNotFoundException: f"the scope is missing; {_SETUP}",
    CollectionNotFoundException: f"a collection is missing; {_SETUP}",
    UnsupportedOperation: "the server has no collections; leave out ?scope= in STORE_URL",
    FeatureUnavailableException: "the server lacks what is asked of it; mend STORE_URL or STORE_DURABILITY",
    DurabilityImpossibleException: _COPIES,
    DurabilityInvalidLevelException: "the bucket can't have STORE_DURABILITY; set another",
}
_SILENCE = (
    UnAmbiguousTimeoutException,
    AmbiguousTimeoutException,
    RequestCanceledException,
    InternalSDKException,
)
_COLLECTION_REASON = "key_value_collection_outdated"  # why a request for an unknown collection was tried again


def reason_to_refuse(exc: Exception) -> str | None:
    """Say why the store will never take this document, or None when that is not what it said."""
    if isinstance(exc, CouchbaseException) and exc.error_code == VALUE_TOO_LARGE:
        return "the document is larger than the store takes"
    if isinstance(exc, InvalidArgumentException | InvalidValueException):
        return "the store can't read the document"
    return None


def outage_of(action: str, exc: Exception) -> StoreUnavailable:
    """Return what to raise for an operation that did not get through."""
    for kind, fault in _MISCONFIGURED.items():
        if isinstance(exc, kind):
            return StoreMisconfigured(action, fault)
    if isinstance(exc, StoreUnavailable):
        return type(exc)(action, exc.fault)
    if _COLLECTION_REASON in _retry_reasons(exc):
        return StoreMisconfigured(action, _MISCONFIGURED[CollectionNotFoundException])
    return StoreUnavailable(action, _said(exc))


def is_silence(exc: Exception) -> bool:
    """Tell whether no server answered: time ran out, the connection broke, or the SDK itself is at its end."""
    return not isinstance(exc, CouchbaseException) or isinstance(exc, _SILENCE)


def _said(exc: Exception) -> str:
    """Name the fault in our words: the SDK's may hold keys and addresses."""
    if isinstance(exc, UnAmbiguousTimeoutException | AmbiguousTimeoutException):
        return "no answer in time"
    if isinstance(exc, TemporaryFailException):
        return "the node is too busy for now"
    if isinstance(exc, RequestCanceledException):
        return "the connection was lost"
    return type(exc).__name__.removesuffix("Exception")


def _retry_reasons(exc: Exception) -> set[str]:
    context = exc.context if isinstance(exc, CouchbaseException) else None
    return set(getattr(context, "retry_reasons", None) or ())
