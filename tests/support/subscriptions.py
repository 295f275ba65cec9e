"""A browser's push subscription, as a client registers it."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"


def text(raw: bytes) -> str:
    """Return bytes in base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def subscription(**other: Any) -> dict[str, Any]:
    """Return the body that registers a subscription, with some members changed; None leaves one out."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": text(point), "auth": text(secrets.token_bytes(16))}
    whole = {"kind": "webpush", "endpoint": ENDPOINT, "keys": keys} | other
    return {name: value for name, value in whole.items() if value is not None}
