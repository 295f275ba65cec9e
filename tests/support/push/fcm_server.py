"""FCM: Google's token endpoint, which checks the service account's assertion, and HTTP v1's messages:send."""

from __future__ import annotations

import json
import re
import secrets
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.push.authority import Authority
from tests.support.push.http_handler import HttpHandler
from tests.support.push.script import Answer, Script, Seen, Taken
from tests.support.push.tls_server import TlsServer

PROJECT, EMAIL = "chat-tests", "push@chat-tests.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PAYLOAD_LIMIT = 4096
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def fcm_error(status: int, state: str, code: str | None = None, message: str = "no", field: str = "") -> Answer:
    """Return an error as HTTP v1 tells it, with FCM's own code and the field at fault where there are any."""
    details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    if field:
        details.append({"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": message}]})
    return Answer(status, {"error": {"code": status, "message": message, "status": state, "details": details}})


UNREGISTERED = fcm_error(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found.")


class FcmServer(Script):
    """Messages are in this script, what the token endpoint is asked in `oauth`."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.oauth = Script()
        self.devices: set[str] = set()
        self.lifetime_s = 3599
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._tokens: set[str] = set()
        server = self

        class Handler(HttpHandler):
            def answer(self, seen: Seen) -> Answer:
                return server.grant(seen) if seen.path == "/token" else server.receive(seen)

        self.server = TlsServer(Handler, authority.server_context())

    def subscribe(self) -> str:
        """Return a new registration token."""
        token = f"{secrets.token_urlsafe(16)}:APA91b{secrets.token_urlsafe(40)}"
        self.devices.add(token)
        return token

    def revoke_tokens(self) -> None:
        """Take no access token from now on that was given out before."""
        self._tokens.clear()

    def save_account(self, file: Path) -> None:
        """Write the service account as Google gives it to operators."""
        told = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key = self._key.private_bytes(serialization.Encoding.PEM, *told).decode()
        account = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "key-1",
            "private_key": key,
            "client_email": EMAIL,
            "token_uri": f"{self.server.url}/token",
        }
        file.write_text(json.dumps(account))

    def grant(self, seen: Seen) -> Answer:
        """Give an access token to whom the assertion names."""
        if told := self.oauth.ask(seen):
            return told
        form = parse_qs(seen.body.decode())
        try:
            claims = jwt.decode(
                form["assertion"][0], self._key.public_key(), ["RS256"], audience=f"{self.server.url}/token"
            )
        except (jwt.InvalidTokenError, KeyError) as fault:
            return Answer(400, {"error": "invalid_grant", "error_description": str(fault)})
        is_good = form.get("grant_type") == [GRANT] and claims["iss"] == EMAIL and claims["scope"] == SCOPE
        if not is_good or claims["exp"] - claims["iat"] > 3600:
            return Answer(400, {"error": "invalid_grant"})
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return Answer(200, {"access_token": token, "expires_in": self.lifetime_s, "token_type": "Bearer"})

    def receive(self, seen: Seen) -> Answer:
        """Answer one request to send."""
        message = _message(seen.body)
        token = str(message.get("token", ""))
        seen = Seen(seen.method, seen.path, seen.headers, seen.body, token)
        answer = self.ask(seen) or self._judge(seen, message)
        if answer.is_taken and token in self.devices:
            self.take(Taken(token, message["android"]["collapse_key"], _notice(message), seen))
        return answer

    def _judge(self, seen: Seen, message: dict[str, Any]) -> Answer:
        if seen.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return fcm_error(401, "UNAUTHENTICATED", message="Request had invalid authentication credentials.")
        if seen.path != f"/v1/projects/{PROJECT}/messages:send":
            return fcm_error(404, "NOT_FOUND")
        if fault := _fault(message):
            return fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", f"Invalid value at '{fault}'", fault)
        if seen.address not in self.devices:
            return UNREGISTERED
        return Answer(200, {"name": f"projects/{PROJECT}/messages/{uuid.uuid4().hex}"})


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return {}
    return message if isinstance(message, dict) else {}


def _fault(message: dict[str, Any]) -> str | None:
    """Return the member that FCM would not take."""
    known = {"token", "notification", "data", "android", "apns", "webpush", "fcm_options"}
    if unknown := sorted(message.keys() - known):
        return f"message.{unknown[0]}"
    data = message.get("data", {})
    if any(not isinstance(value, str) for value in data.values()) or "from" in data:
        return "message.data"
    if not re.fullmatch(r"[0-9]+s", str(message.get("android", {}).get("ttl", "0s"))):
        return "message.android.ttl"
    size = len(json.dumps([data, message.get("notification")], ensure_ascii=False).encode())
    return "message" if size > PAYLOAD_LIMIT else None


def _notice(message: dict[str, Any]) -> dict[str, Any]:
    data = dict(message["data"])
    numbers = {name: int(data[name]) for name in ("seq", "unread")}
    return {**data, **numbers, **message.get("notification", {})}
