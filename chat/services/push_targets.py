"""What a client registers for pushes becomes a target that can be pushed to, or the field to mend is named."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from chat.errors import InvalidRequest
from chat.model.device import DeviceKind

ENDPOINT_LIMIT = 2048  # characters
TOKEN_LIMIT = 4096
POINT_BYTES, SECRET_BYTES = 65, 16  # RFC 8291 section 3.1: an uncompressed point of P-256, and 16 random bytes

# P-256, FIPS 186-4 D.1.2.3: y² = x³ - 3x + B (mod P)
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B

_TOKENS = {
    DeviceKind.FCM: (re.compile(r"[!-~]+", re.ASCII), "must be the registration token as Firebase's SDK gives it"),
    DeviceKind.APNS: (
        re.compile(r"(?:[0-9A-Fa-f]{2}){8,200}", re.ASCII),  # 64 digits today; Apple says not to count on it
        "must be the device token in hexadecimal digits, 16 to 400 of them",
    ),
}

EndpointFault = Callable[[str], str | None]  # what is wrong with an endpoint and how to mend it, or None


@dataclass(frozen=True, slots=True)
class Target:
    """What a device is made of."""

    kind: DeviceKind
    address: str
    p256dh: str | None = None
    auth: str | None = None


def token_target(kind: DeviceKind, token: str | None) -> Target:
    """Return the target behind a provider's token. Raises InvalidRequest."""
    if not token:
        raise InvalidRequest(f"token is missing; a device of kind {kind} needs it", field="token")
    if len(token) > TOKEN_LIMIT:
        raise InvalidRequest(f"token must have at most {TOKEN_LIMIT} characters", field="token")
    shape, mend = _TOKENS[kind]
    if not shape.fullmatch(token):
        raise InvalidRequest(f"token {mend}", field="token")
    return Target(kind, token.lower() if kind is DeviceKind.APNS else token)


def webpush_target(endpoint: str | None, p256dh: str | None, auth: str | None, fault_of: EndpointFault) -> Target:
    """Return the target behind a browser's subscription. Raises InvalidRequest."""
    if not endpoint:
        raise InvalidRequest("endpoint is missing; send the subscription as toJSON() makes it", field="endpoint")
    if len(endpoint) > ENDPOINT_LIMIT:
        raise InvalidRequest(f"endpoint must have at most {ENDPOINT_LIMIT} characters", field="endpoint")
    if fault := fault_of(endpoint):
        raise InvalidRequest(f"endpoint {fault}", field="endpoint")
    point = _decoded(p256dh, POINT_BYTES, "keys.p256dh")
    if point[0] != 4 or not _is_on_curve(point):
        raise InvalidRequest(
            "keys.p256dh is no public key on P-256; send the subscription's own", field="keys.p256dh"
        )
    secret = _decoded(auth, SECRET_BYTES, "keys.auth")
    return Target(DeviceKind.WEBPUSH, endpoint, _encoded(point), _encoded(secret))


def _decoded(text: str | None, length: int, field: str) -> bytes:
    if not text:
        raise InvalidRequest(f"{field} is missing; send the subscription as toJSON() makes it", field=field)
    wanted = f"{field} must be {length} bytes in base64url"
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        found = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(wanted, field=field) from None
    if len(found) != length:
        raise InvalidRequest(f"{wanted}, not {len(found)}", field=field)
    return found


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _is_on_curve(point: bytes) -> bool:
    """Tell whether one can encrypt to this key: found now it has a field to name, when sending it is a riddle."""
    x, y = int.from_bytes(point[1:33]), int.from_bytes(point[33:])
    return x < P and y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0
