"""Web Push: a notice is encrypted for one browser and handed to the push service of that browser's maker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec

from chat.model.device import Device
from chat.push.base import Later, Notice, NoticeKind, Paused, Refused, Result
from chat.push.endpoints import Endpoint, read_endpoint
from chat.push.guard import AddressRefused
from chat.push.payload import dump, facts_of, fitted, text_of
from chat.push.transport import Transport, Unreachable
from chat.push.vapid import Vapid, unpadded_decode
from chat.push.webpush_answers import judge

PAYLOAD_LIMIT = 3000  # bytes; every service takes a body of 4096 with encryption and padding
RECORD_SIZE = 4096  # RFC 8291 section 4: all in one record
AUTH_LENGTH = 16


class WebPush:
    """Reaches browsers."""

    def __init__(
        self,
        transport: Transport,
        vapid: Vapid,
        hosts: Collection[str],
        trusted: Collection[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._vapid = vapid
        self._hosts = hosts
        self._trusted = trusted
        self._now = now

    def push(self, device: Device, notice: Notice) -> Result:
        """Hand a notice to the subscription's push service and return what became of it."""
        deadline = self._transport.limits.deadline()
        endpoint = read_endpoint(device.address, self._hosts, self._trusted)
        if isinstance(endpoint, str):
            return Refused(f"endpoint {endpoint}")
        try:
            body = encrypt(payload_of(notice), device.p256dh or "", device.auth or "")
        except ValueError:
            return Refused("keys of the subscription can't be used")
        try:
            answer = self._transport.post(endpoint, self._headers(endpoint, notice), body, deadline)
        except Unreachable as fault:
            return Later(fault.reason)
        except AddressRefused:
            return Refused("address is not public")
        result = judge(answer, self._now())
        return Paused(result.reason, endpoint.host) if isinstance(result, Paused) else result

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _headers(self, endpoint: Endpoint, notice: Notice) -> dict[str, str]:
        return {
            "Authorization": self._vapid.authorization(endpoint.origin),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(notice.ttl_s),
            "Urgency": "normal" if notice.kind is NoticeKind.CLEAR else "high",
            "Topic": notice.collapse,
        }


def payload_of(notice: Notice) -> bytes:
    """Return what the page's service worker reads, at most PAYLOAD_LIMIT bytes."""
    facts = {**facts_of(notice), "id": notice.id, "collapse": notice.collapse}
    has_text = bool(text_of(notice))

    def encode(title: str, body: str) -> bytes:
        return dump({**facts, "title": title, "body": body} if has_text else facts)

    return fitted(notice, encode, PAYLOAD_LIMIT)


def encrypt(payload: bytes, p256dh: str, auth: str) -> bytes:
    """Return a payload that only the subscription's browser can read (RFC 8291).

    Raises: ValueError for keys that are none.
    """
    secret, receiver = unpadded_decode(auth), unpadded_decode(p256dh)
    if len(secret) != AUTH_LENGTH:
        raise ValueError("auth")
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver)
    sender = ec.generate_private_key(ec.SECP256R1())
    body: bytes = http_ece.encrypt(
        payload,
        salt=os.urandom(16),
        private_key=sender,
        dh=receiver,
        auth_secret=secret,
        rs=RECORD_SIZE,
        version="aes128gcm",
    )
    return body
