"""The keys that push providers give to operators, read and checked before anything starts.

No fault repeats a part of a key.
"""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from config.env import SettingError, shown

VAPID_LENGTH = 32
VAPID_MEND = "unset it under `make run`, which makes one, or set the private key of 32 bytes in base64url"
ACCOUNT_MEND = "set the path of the JSON that Firebase gives under Service accounts"
APNS_MEND = "set the path of the .p8 that Apple gives under Keys"
CA_MEND = "set the path of a PEM file with certificates"


@dataclass(frozen=True, slots=True)
class FcmAccount:
    """A Google service account."""

    project_id: str
    email: str
    private_key: str = field(repr=False)  # PEM, RSA
    key_id: str
    token_uri: str


def check_vapid_key(name: str, text: str) -> str:
    """Return `text` when it is a private key of P-256. Raises: SettingError."""
    bare = text.rstrip("=")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise SettingError(name, "is not in base64url", VAPID_MEND) from None
    if len(raw) != VAPID_LENGTH:
        raise SettingError(name, f"has {len(raw)} bytes, not {VAPID_LENGTH}", VAPID_MEND)
    try:
        ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())
    except ValueError:
        raise SettingError(name, "is no key of the curve P-256", VAPID_MEND) from None
    return text


def read_fcm_account(name: str, file: Path) -> FcmAccount:
    """Return the service account in a file. Raises: SettingError."""
    try:
        told = json.loads(_read(name, file, ACCOUNT_MEND))
    except ValueError:
        raise SettingError(name, f"leads to {shown(str(file))}, which is no JSON", ACCOUNT_MEND) from None
    if not isinstance(told, dict) or told.get("type") != "service_account":
        raise SettingError(name, f"leads to {shown(str(file))}, which is no service account", ACCOUNT_MEND)
    for member in ("project_id", "client_email", "private_key", "token_uri"):
        if not isinstance(told.get(member), str) or not told[member]:
            raise SettingError(name, f"leads to a service account without {member}", ACCOUNT_MEND)
    if not told["token_uri"].startswith("https://"):
        raise SettingError(name, "leads to a service account whose token_uri is not https", ACCOUNT_MEND)
    if not isinstance(_private_key(told["private_key"].encode()), rsa.RSAPrivateKey):
        raise SettingError(name, "leads to a service account whose private_key is no RSA key", ACCOUNT_MEND)
    return FcmAccount(
        told["project_id"],
        told["client_email"],
        told["private_key"],
        str(told.get("private_key_id", "")),
        told["token_uri"],
    )


def read_apns_key(name: str, file: Path) -> str:
    """Return the signing key in a file, as PEM. Raises: SettingError."""
    pem = _read(name, file, APNS_MEND)
    key = _private_key(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SettingError(name, f"leads to {shown(str(file))}, which is no key of the curve P-256", APNS_MEND)
    return pem.decode()


def check_authorities(name: str, file: Path) -> Path:
    """Return `file` when certificates can be read from it. Raises: SettingError."""
    _read(name, file, CA_MEND)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        fault = f"leads to {shown(str(file))}, which has no certificate in it"
        raise SettingError(name, fault, CA_MEND) from None
    return file


def _read(name: str, file: Path, mend: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        said = (fault.strerror or "can't be read").lower()
        raise SettingError(name, f"leads to {shown(str(file))}: {said}", mend) from None


def _private_key(pem: bytes) -> object:
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        return None
