"""APNs: notices to Apple's devices, over HTTP/2 with provider tokens."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import jwt

from chat.model.device import Device
from chat.push.apns_answers import judge, read_body
from chat.push.base import Gone, Later, Notice, NoticeKind, Paused, Result
from chat.push.endpoints import Endpoint
from chat.push.guard import AddressRefused
from chat.push.payload import dump, facts_of, fitted
from chat.push.transport import Answer, Transport, Unreachable

PAYLOAD_LIMIT = 4096  # bytes
TOKEN_LIFE_S = 40 * 60  # Apple takes a new one at most every 20 minutes, and none older than 60
TOKEN_LEAST_S = 20 * 60
DEVICE_TOKEN = re.compile(r"[0-9A-Fa-f]{16,400}")  # 64 digits today; Apple says not to count on it
EXPIRED = "ExpiredProviderToken"


@dataclass(frozen=True, slots=True)
class ApnsKey:
    """What signs for a team."""

    private_key: str = field(repr=False)  # PEM, P-256
    key_id: str
    team_id: str


class ProviderTokens:
    """One signed token for all threads and requests; the processes of a system renew it at the same moments."""

    def __init__(self, key: ApnsKey, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now
        self._issued_at = 0
        self._text = ""
        self._lock = threading.Lock()

    def get(self) -> str:
        """Return a token that is less than TOKEN_LIFE_S old."""
        now_s = int(self._now())
        with self._lock:
            if not 0 <= now_s - self._issued_at < TOKEN_LIFE_S:
                self._sign(now_s - now_s % TOKEN_LIFE_S)
            return self._text

    def renew(self, refused: str) -> bool:
        """Have another token than the refused one; False when it is too young for Apple to take a new one."""
        now_s = int(self._now())
        with self._lock:
            if self._text == refused:
                if now_s - self._issued_at < TOKEN_LEAST_S:
                    return False
                self._sign(now_s)
            return True

    def _sign(self, issued_at: int) -> None:
        claims = {"iss": self._key.team_id, "iat": issued_at}
        self._text = jwt.encode(claims, self._key.private_key, "ES256", headers={"kid": self._key.key_id})
        self._issued_at = issued_at


class Apns:
    """Reaches the devices of one app."""

    def __init__(
        self,
        transport: Transport,
        key: ApnsKey,
        topic: str,
        url: Endpoint,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._tokens = ProviderTokens(key, now)
        self._topic = topic
        self._url = url
        self._now = now

    def push(self, device: Device, notice: Notice) -> Result:
        """Hand a notice to APNs and return what became of it."""
        if not DEVICE_TOKEN.fullmatch(device.address):
            return Gone("no device token")
        deadline = self._transport.limits.deadline()
        try:
            answer = self._push(device.address, notice, deadline)
        except Unreachable as fault:
            return Later(fault.reason)
        except AddressRefused as fault:
            return Paused(f"{fault.host} has no public address")
        return judge(answer, device.refreshed_at, self._now())

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _push(self, token: str, notice: Notice, deadline: float) -> Answer:
        signed = self._tokens.get()
        answer = self._send(token, notice, signed, deadline)
        if read_body(answer.body)[0] == EXPIRED and self._tokens.renew(signed):
            answer = self._send(token, notice, self._tokens.get(), deadline)
        return answer

    def _send(self, token: str, notice: Notice, signed: str, deadline: float) -> Answer:
        is_silent = notice.kind is NoticeKind.CLEAR
        headers = {
            "authorization": f"bearer {signed}",
            "content-type": "application/json",
            "apns-topic": self._topic,
            "apns-id": notice.id,
            "apns-collapse-id": notice.collapse,
            "apns-expiration": str(int(self._now()) + notice.ttl_s if notice.ttl_s else 0),
            "apns-push-type": "background" if is_silent else "alert",
            "apns-priority": "5" if is_silent else "10",
        }
        endpoint = replace(self._url, target=f"/3/device/{token}")
        return self._transport.post(endpoint, headers, payload_of(notice), deadline)


def payload_of(notice: Notice) -> bytes:
    """Return the payload, at most PAYLOAD_LIMIT bytes; one that clears wakes the app and shows nothing."""
    facts = {**facts_of(notice), "collapse": notice.collapse}
    if notice.kind is NoticeKind.CLEAR:
        return dump({"aps": {"content-available": 1}, **facts})

    def encode(title: str, body: str) -> bytes:
        alert = {"title": title, "body": body}
        shown = {"badge": notice.unread, "sound": "default", "thread-id": notice.collapse}
        return dump({"aps": {"alert": alert, **shown}, **facts})

    return fitted(notice, encode, PAYLOAD_LIMIT)
