"""Who pushes: VAPID (RFC 8292), the signature that a push service lets us in by."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFE_S = 12 * 3600  # a token may live for 24 h; half of it leaves room for clocks that differ
KEY_LENGTH = 32


def read_key(vapid_key: str) -> ec.EllipticCurvePrivateKey:
    """Return the key that 32 bytes in base64url stand for. Raises: ValueError."""
    raw = unpadded_decode(vapid_key)
    if len(raw) != KEY_LENGTH:
        raise ValueError(f"has {len(raw)} bytes")
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())


def public_key(vapid_key: str) -> str:
    """Return what a browser subscribes with: the uncompressed point in base64url."""
    return unpadded(point_of(read_key(vapid_key).public_key()))


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key as its uncompressed point."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


class Vapid:
    """Signs for one key and subject."""

    def __init__(self, vapid_key: str, subject: str, now: Callable[[], float] = time.time) -> None:
        self._key = read_key(vapid_key)
        self._public = public_key(vapid_key)
        self._subject = subject
        self._now = now

    def authorization(self, origin: str) -> str:
        """Return the header for one push service; the claims are made anew, so that no `aud` is ever another's."""
        claims = {"aud": origin, "exp": int(self._now()) + LIFE_S, "sub": self._subject}
        return f"vapid t={jwt.encode(claims, self._key, 'ES256')}, k={self._public}"


def unpadded(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpadded_decode(text: str) -> bytes:
    """Decode base64url with or without padding. Raises: ValueError."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
