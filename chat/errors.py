"""Every error the chat raises, so that a caller decides by type, `code` and `temporary` alone.

ChatError
├── RequestError            the caller's to mend; told with `code`, `message` and `field`
│   ├── InvalidRequest
│   ├── Unauthenticated
│   ├── OriginRefused
│   ├── Forbidden
│   ├── NotAMember
│   ├── RoomNotFound
│   ├── RoomExists
│   ├── MessageNotFound
│   ├── MessageDeleted
│   ├── NotStoredYet        temporary
│   ├── MemberNotFound
│   ├── DeviceNotFound
│   ├── LetterNotFound
│   ├── LetterUnreadable
│   ├── NoAnswer            temporary
│   ├── LastOwner
│   ├── RateLimited
│   └── LimitReached
├── KeysUnavailable         temporary; the issuer's public keys
├── BrokerError             Redis
│   ├── BrokerUnavailable   temporary
│   └── OutboxFull          temporary
└── StoreError              the document store
    ├── StoreUnavailable    temporary
    │   └── StoreMisconfigured
    ├── DocumentExists
    ├── DocumentMissing
    ├── CasMismatch         temporary
    └── DocumentRefused
"""

from __future__ import annotations


class ChatError(Exception):
    """Anything the chat raises on purpose.

    `code` is what clients and logs see. `temporary` is the only thing that decides on a retry.
    """

    code = "internal"
    temporary = False

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class RequestError(ChatError):
    """The request can't be taken; `message` says what is wrong and how to mend it."""

    code = "bad-request"
    status = 400


class InvalidRequest(RequestError):
    """A frame or body that has the wrong shape; `field` is the name the client used."""

    code = "invalid"


class Unauthenticated(RequestError):
    """No identity, or one that can't be believed."""

    code = "unauthenticated"
    status = 401


class OriginRefused(RequestError):
    """A browser page from an origin that is not allowed."""

    code = "origin-refused"
    status = 403


class Forbidden(RequestError):
    """The identity is believed, but may not do this."""

    code = "forbidden"
    status = 403


class NotAMember(RequestError):
    """The room exists, but not for this user."""

    code = "not-a-member"
    status = 403


class RoomNotFound(RequestError):
    """No such room."""

    code = "room-not-found"
    status = 404


class RoomExists(RequestError):
    """A room with that id is there already, and is another one."""

    code = "room-exists"
    status = 409


class MessageNotFound(RequestError):
    """No such message in a room the user is in."""

    code = "message-not-found"
    status = 404


class MessageDeleted(RequestError):
    """The message is a tombstone: it can't be edited or reacted to."""

    code = "message-deleted"
    status = 409


class NotStoredYet(RequestError):
    """The message was accepted and still waits to be stored, so it can't be amended yet."""

    code = "not-stored-yet"
    status = 409
    temporary = True


class MemberNotFound(RequestError):
    """The user that is to be removed is not in the room."""

    code = "member-not-found"
    status = 404


class DeviceNotFound(RequestError):
    """The user has no such device; somebody else may."""

    code = "device-not-found"
    status = 404


class LetterNotFound(RequestError):
    """No such dead letter: it was never there, or was re-driven or dropped by now."""

    code = "letter-not-found"
    status = 404


class LetterUnreadable(RequestError):
    """A dead letter whose message can't be read any more: it can only be dropped."""

    code = "letter-unreadable"
    status = 409


class NoAnswer(RequestError):
    """A worker had to do it and none has said so in time; it may still happen."""

    code = "no-answer"
    status = 504
    temporary = True


class LastOwner(RequestError):
    """A room with members would be left without an owner."""

    code = "last-owner"
    status = 409


class RateLimited(RequestError):
    """Too fast; `retry_after_s` seconds from now it would be taken."""

    code = "rate-limited"
    status = 429
    temporary = True

    def __init__(self, message: str, *, retry_after_s: float, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = retry_after_s


class LimitReached(RequestError):
    """A bound was reached that waiting does not lift (rooms per connection, members per room)."""

    code = "limit-reached"
    status = 409


class KeysUnavailable(ChatError):
    """No key of the tokens' issuer could be fetched yet, so no token can be checked."""

    code = "unavailable"
    temporary = True

    def __init__(self) -> None:
        super().__init__("tokens can't be checked now, the issuer's keys could not be fetched; try again")


class BrokerError(ChatError):
    """Redis could not do its part."""

    code = "broker-error"


class BrokerUnavailable(BrokerError):
    """Redis did not answer in time; `action` may or may not have happened, and is safe to repeat."""

    code = "unavailable"
    temporary = True

    def __init__(self, action: str) -> None:
        super().__init__(f"the message broker did not answer ({action}); try again")
        self.action = action


class OutboxFull(BrokerError):
    """Too many messages wait to be stored; nothing was accepted."""

    code = "overloaded"
    temporary = True

    def __init__(self) -> None:
        super().__init__("too many messages are waiting to be stored; try again later")


class StoreError(ChatError):
    """The document store could not do its part."""

    code = "store-error"


class StoreUnavailable(StoreError):
    """The store did not answer, or can't write now; `action` may or may not have happened.

    `fault` says what is the matter, where the adapter knows it.
    """

    code = "store-unavailable"
    temporary = True

    def __init__(self, action: str, fault: str = "") -> None:
        said = "the document store is not available"
        super().__init__(f"{said} ({action}): {fault}" if fault else f"{said} ({action})")
        self.action = action
        self.fault = fault


class StoreMisconfigured(StoreUnavailable):
    """The store turns us away until an operator mends it: credentials, bucket, scope, durability."""

    code = "store-misconfigured"


class DocumentExists(StoreError):
    """An insert met a document under that key."""

    code = "document-exists"


class DocumentMissing(StoreError):
    """A change was asked for a document that is not there."""

    code = "document-missing"


class CasMismatch(StoreError):
    """The document changed since it was read: read it again, decide again."""

    code = "cas-mismatch"
    temporary = True


class DocumentRefused(StoreError):
    """The store will never take this document (too large, a rule of the store, not encodable)."""

    code = "document-refused"
