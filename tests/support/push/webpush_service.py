"""A Web Push service (RFC 8030, 8188, 8291, 8292): checks every header and signature, and reads the payload
with the keys of the subscriptions that it made."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.push.authority import Authority
from tests.support.push.http_handler import HttpHandler
from tests.support.push.script import Answer, Script, Seen, Taken
from tests.support.push.subscription import Subscription, decode
from tests.support.push.tls_server import TlsServer

PAYLOAD_LIMIT = 4096  # what RFC 8030 section 7.2 makes every service take, and what most take at most
VAPID_LIFE_S = 24 * 3600
MISMATCH = (
    b"the VAPID credentials in the authorization header do not correspond to the "
    b"credentials used to create the subscriptions.\n"
)


class WebPushService(Script):
    """One service with its subscriptions."""

    def __init__(self, authority: Authority, application_key: str) -> None:
        super().__init__()
        self.application_key = application_key  # base64url of the only key that may push
        self.subscriptions: dict[str, Subscription] = {}  # by path
        service = self

        class Handler(HttpHandler):
            def answer(self, seen: Seen) -> Answer:
                return service.receive(seen)

        self.server = TlsServer(Handler, authority.server_context())

    def subscribe(self) -> Subscription:
        """Return a new subscription."""
        path = f"/push/{uuid.uuid4().hex}"
        subscription = self.subscriptions[path] = Subscription(self.server.url + path)
        return subscription

    def receive(self, seen: Seen) -> Answer:
        """Answer one request."""
        subscription = self.subscriptions.get(seen.path)
        seen = Seen(seen.method, seen.path, seen.headers, seen.body, subscription.endpoint if subscription else "")
        told = self.ask(seen)
        answer = told or self._judge(seen, subscription)
        if answer.is_taken and subscription is not None:
            notice = json.loads(subscription.decrypt(seen.body))
            self.take(Taken(seen.address, seen.headers.get("topic", ""), notice, seen))
        return answer

    def _judge(self, seen: Seen, subscription: Subscription | None) -> Answer:
        if fault := self._fault_of_sender(seen.headers.get("authorization", "")):
            return fault
        if subscription is None:
            return Answer(410)
        if len(seen.body) > PAYLOAD_LIMIT:
            return Answer(413)
        if fault_of_request := _fault_of_request(seen):
            return Answer(400, fault_of_request.encode())
        try:
            subscription.decrypt(seen.body)
        except (InvalidTag, ValueError):
            return Answer(400, b"not for this subscription")
        return Answer(201, headers={"Location": f"{self.server.url}/message/{uuid.uuid4().hex}"})

    def _fault_of_sender(self, authorization: str) -> Answer | None:
        match = re.fullmatch(r"vapid t=([\w.-]+), ?k=([\w-]+)", authorization)
        if match is None:
            return Answer(401, b"no VAPID")
        if match[2] != self.application_key:
            return Answer(403, MISMATCH)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(match[2]))
        try:
            claims: dict[str, Any] = jwt.decode(match[1], key, ["ES256"], audience=self.server.url)
        except jwt.InvalidTokenError as fault:
            return Answer(403, str(fault).encode())
        is_short = claims.get("exp", 0) <= time.time() + VAPID_LIFE_S
        has_subject = str(claims.get("sub", "")).startswith(("mailto:", "https:"))
        return None if is_short and has_subject else Answer(403, b"claims")


def _fault_of_request(seen: Seen) -> str | None:
    headers = seen.headers
    checks = {
        "method": seen.method == "POST",
        "ttl": re.fullmatch(r"[0-9]+", headers.get("ttl", "")),
        "encoding": headers.get("content-encoding") == "aes128gcm",
        "urgency": headers.get("urgency") in ("very-low", "low", "normal", "high"),
        "topic": re.fullmatch(r"[A-Za-z0-9_-]{0,32}", headers.get("topic", "")),
    }
    return next((name for name, is_good in checks.items() if not is_good), None)
