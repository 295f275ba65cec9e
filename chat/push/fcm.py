"""FCM: notices to Android, and to whatever else an app has registered with Firebase, over HTTP v1."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chat.model.device import Device
from chat.push.base import Later, Notice, NoticeKind, Paused, Result
from chat.push.endpoints import Endpoint
from chat.push.fcm_answers import judge
from chat.push.google_token import AccessToken, AccessTokens, ServiceAccount
from chat.push.guard import AddressRefused
from chat.push.payload import dump, facts_of, fitted
from chat.push.transport import Answer, Transport, Unreachable

MESSAGE_LIMIT = 3900  # bytes; FCM takes 4096 of payload
UNAUTHENTICATED = 401


class Fcm:
    """Reaches the apps of one Firebase project."""

    def __init__(
        self, transport: Transport, account: ServiceAccount, url: Endpoint, now: Callable[[], float] = time.time
    ) -> None:
        self._transport = transport
        self._tokens = AccessTokens(account, transport, now)
        self._endpoint = replace(url, target=f"/v1/projects/{account.project_id}/messages:send")
        self._now = now

    def push(self, device: Device, notice: Notice) -> Result:
        """Hand a notice to FCM and return what became of it."""
        deadline = self._transport.limits.deadline()
        try:
            return self._push(message_of(device.address, notice, self._now()), deadline)
        except Unreachable as fault:
            return Later(fault.reason)
        except AddressRefused as fault:
            return Paused(f"{fault.host} has no public address")

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _push(self, body: bytes, deadline: float) -> Result:
        for is_last in (False, True):
            token = self._tokens.get(deadline)
            if not isinstance(token, AccessToken):
                return token
            answer = self._send(body, token, deadline)
            if answer.status != UNAUTHENTICATED or is_last:
                break
            self._tokens.forget(token)  # it may have been revoked before its time
        return judge(answer, self._now())

    def _send(self, body: bytes, token: AccessToken, deadline: float) -> Answer:
        headers = {"Authorization": f"Bearer {token.text}", "Content-Type": "application/json"}
        return self._transport.post(self._endpoint, headers, body, deadline)


def message_of(token: str, notice: Notice, now_s: float) -> bytes:
    """Return the request to send; a notice that clears is data alone and shows nothing."""
    if notice.kind is NoticeKind.CLEAR:
        return dump({"message": _silent(token, notice, now_s)})

    def encode(title: str, body: str) -> bytes:
        return dump({"message": _shown(token, notice, title, body, now_s)})

    return fitted(notice, encode, MESSAGE_LIMIT)


def _silent(token: str, notice: Notice, now_s: float) -> dict[str, Any]:
    return {
        "token": token,
        "data": _data(notice),
        "android": {"collapse_key": notice.collapse, "ttl": f"{notice.ttl_s}s", "priority": "NORMAL"},
        "apns": {
            "headers": {**_apns_headers(notice, now_s), "apns-push-type": "background", "apns-priority": "5"},
            "payload": {"aps": {"content-available": 1}},
        },
        "webpush": {"headers": {"TTL": str(notice.ttl_s), "Urgency": "normal", "Topic": notice.collapse}},
    }


def _shown(token: str, notice: Notice, title: str, body: str, now_s: float) -> dict[str, Any]:
    return {
        "token": token,
        "notification": {"title": title, "body": body},
        "data": _data(notice),
        "android": {
            "collapse_key": notice.collapse,
            "ttl": f"{notice.ttl_s}s",
            "priority": "HIGH",
            "notification": {"tag": notice.collapse, "notification_count": notice.unread},
        },
        "apns": {
            "headers": _apns_headers(notice, now_s),
            "payload": {"aps": {"badge": notice.unread, "sound": "default", "thread-id": notice.collapse}},
        },
        "webpush": {"headers": {"TTL": str(notice.ttl_s), "Urgency": "high", "Topic": notice.collapse}},
    }


def _data(notice: Notice) -> dict[str, str]:
    """Return the facts as FCM takes them: all are text."""
    told = {name: str(value) for name, value in facts_of(notice).items()}
    return {**told, "id": notice.id, "collapse": notice.collapse}


def _apns_headers(notice: Notice, now_s: float) -> dict[str, str]:
    ends_at = int(now_s) + notice.ttl_s if notice.ttl_s else 0
    return {"apns-collapse-id": notice.collapse, "apns-expiration": str(ends_at)}
