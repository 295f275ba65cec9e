"""A push target: where notifications for a user go while nobody of theirs is connected."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class DeviceKind(StrEnum):
    """Which provider reaches a device."""

    WEBPUSH = "webpush"
    FCM = "fcm"
    APNS = "apns"


@dataclass(frozen=True, slots=True)
class Device:
    """One push target of one user.

    `address` is the endpoint of a Web Push subscription or a provider's token; `p256dh` and `auth` are the
    subscription's keys in base64url, None for the others. Times are RFC 3339, UTC; `refreshed_at` is when the
    target was last registered.
    """

    id: str
    kind: DeviceKind
    user_id: str
    address: str
    created_at: str
    refreshed_at: str
    p256dh: str | None = None
    auth: str | None = None


def device_id(kind: DeviceKind, address: str) -> str:
    """Return the id of a target: registered twice, by whomever, it is the same device."""
    return hashlib.sha256(f"{kind}:{address}".encode()).hexdigest()[:32]
