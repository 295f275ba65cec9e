"""A browser's side of Web Push: the subscription, and the decryption of RFC 8291 written from the RFC."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT_LENGTH, KEY_LENGTH, NONCE_LENGTH = 16, 16, 12
HEADER_LENGTH = SALT_LENGTH + 4 + 1  # salt, record size, length of the sender's key


def new_auth() -> bytes:
    """Return a fresh authentication secret."""
    return os.urandom(16)


@dataclass(frozen=True)
class Subscription:
    """The keys of one subscription; only this object can read what is pushed to it."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=new_auth)

    @property
    def p256dh(self) -> str:
        return encode(self._own_point)

    @property
    def auth(self) -> str:
        return encode(self.secret)

    @property
    def _own_point(self) -> bytes:
        return point(self.key.public_key())

    def decrypt(self, body: bytes) -> bytes:
        """Return what was pushed.

        Raises: ValueError or cryptography's InvalidTag for a body that is not for this subscription.
        """
        salt, key_length = body[:SALT_LENGTH], body[HEADER_LENGTH - 1]
        sender = body[HEADER_LENGTH : HEADER_LENGTH + key_length]
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        seed = _derive(self.secret, shared, b"WebPush: info\0" + self._own_point + sender, 32)
        key = _derive(salt, seed, b"Content-Encoding: aes128gcm\0", KEY_LENGTH)
        nonce = _derive(salt, seed, b"Content-Encoding: nonce\0", NONCE_LENGTH)
        padded = AESGCM(key).decrypt(nonce, body[HEADER_LENGTH + key_length :], None).rstrip(b"\0")
        if not padded.endswith(b"\x02"):
            raise ValueError("no last record")
        return padded[:-1]


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key as its uncompressed point."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def encode(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Decode base64url with or without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _derive(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(material)
