"""APNs over HTTP/2: checks the provider token, the headers and the payload as Apple's documentation tells them."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socketserver
import time
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.push.authority import Authority
from tests.support.push.script import Answer, Script, Seen, Taken
from tests.support.push.tls_server import TlsServer

TOPIC, KEY_ID, TEAM_ID = "org.example.chat", "KEY4567890", "TEAM567890"
PAYLOAD_LIMIT = 4096
TOKEN_LIFE_S = 3600


def apns_error(status: int, reason: str, timestamp_ms: int | None = None) -> Answer:
    """Return an error as APNs tells it."""
    told = {} if timestamp_ms is None else {"timestamp": timestamp_ms}
    return Answer(status, {"reason": reason, **told})


class ApnsServer(Script):
    """One environment of APNs, for one app."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.devices: set[str] = set()
        self.key = ec.generate_private_key(ec.SECP256R1())
        apns = self

        class Handler(Http2Handler):
            def answer(self, seen: Seen) -> Answer:
                return apns.receive(seen)

        self.server = TlsServer(Handler, authority.server_context("h2"))

    def subscribe(self) -> str:
        """Return a new device token."""
        token = secrets.token_hex(32)
        self.devices.add(token)
        return token

    def save_key(self, file: Path) -> None:
        """Write the signing key as Apple gives it to developers."""
        told = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        file.write_bytes(self.key.private_bytes(serialization.Encoding.PEM, *told))

    def receive(self, seen: Seen) -> Answer:
        """Answer one request."""
        token = seen.path.removeprefix("/3/device/")
        seen = Seen(seen.method, seen.path, seen.headers, seen.body, token)
        answer = self.ask(seen) or self._judge(seen)
        if answer.is_taken and token in self.devices:
            self.take(Taken(token, seen.headers.get("apns-collapse-id", ""), _notice(seen.body), seen))
        return answer

    def _judge(self, seen: Seen) -> Answer:
        if fault := self._fault_of_sender(seen.headers.get("authorization", "")):
            return apns_error(403, fault)
        if seen.method != "POST" or not seen.path.startswith("/3/device/"):
            return apns_error(404, "BadPath")
        if fault := _fault_of_headers(seen):
            return apns_error(400, fault)
        if len(seen.body) > PAYLOAD_LIMIT:
            return apns_error(413, "PayloadTooLarge")
        if not re.fullmatch(r"[0-9a-f]{64}", seen.address):
            return apns_error(400, "BadDeviceToken")
        if seen.address not in self.devices:
            return apns_error(410, "Unregistered", int(time.time() * 1000))
        return Answer(200, headers={"apns-id": seen.headers.get("apns-id", str(uuid.uuid4()))})

    def _fault_of_sender(self, authorization: str) -> str | None:
        token = authorization.removeprefix("bearer ")
        if not token:
            return "MissingProviderToken"
        try:
            claims: dict[str, Any] = jwt.decode(token, self.key.public_key(), ["ES256"])
            head = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return "InvalidProviderToken"
        if head.get("kid") != KEY_ID or claims.get("iss") != TEAM_ID or claims.keys() != {"iss", "iat"}:
            return "InvalidProviderToken"
        return "ExpiredProviderToken" if claims["iat"] < time.time() - TOKEN_LIFE_S else None


def _fault_of_headers(seen: Seen) -> str | None:
    headers = seen.headers
    kind, priority = headers.get("apns-push-type"), headers.get("apns-priority")
    aps = json.loads(seen.body).get("aps", {})
    checks = {
        "BadTopic": headers.get("apns-topic") == TOPIC,
        "InvalidPushType": kind in ("alert", "background"),
        "BadPriority": priority == "5" or (priority == "10" and kind == "alert"),
        "BadExpirationDate": re.fullmatch(r"[0-9]+", headers.get("apns-expiration", "")),
        "BadCollapseId": len(headers.get("apns-collapse-id", "").encode()) <= 64,
        "BadMessageId": re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers.get("apns-id", "")),
        "PayloadEmpty": "alert" in aps if kind == "alert" else aps == {"content-available": 1},
    }
    return next((reason for reason, is_good in checks.items() if not is_good), None)


def _notice(body: bytes) -> dict[str, Any]:
    payload = json.loads(body)
    alert = payload.pop("aps").get("alert", {})
    return {**payload, **alert}


class Http2Handler(socketserver.BaseRequestHandler, ABC):
    """One connection: requests are answered in the order in which they end."""

    @abstractmethod
    def answer(self, seen: Seen) -> Answer:
        """Return what is answered to a request."""

    def handle(self) -> None:
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._is_open = True
        self._flush()
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            while self._is_open and (data := self.request.recv(65536)):
                for event in self._h2.receive_data(data):
                    self._handle(event)
                self._flush()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            headers = {str(name): str(value) for name, value in event.headers or ()}
            self._requests[event.stream_id] = headers, bytearray()
        elif isinstance(event, h2.events.DataReceived):
            stream = event.stream_id
            self._requests[stream][1].extend(event.data or b"")
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
        elif isinstance(event, h2.events.StreamEnded) and self._is_open:
            self._reply(event.stream_id)

    def _reply(self, stream: int) -> None:
        headers, body = self._requests.pop(stream)
        plain = {name: value for name, value in headers.items() if not name.startswith(":")}
        answer = self.answer(Seen(headers[":method"], headers[":path"], plain, bytes(body)))
        if cast(TlsServer, self.server).keep_waiting(answer):
            self._is_open = False
            return
        told = [(":status", str(answer.status)), *((n.lower(), v) for n, v in answer.headers.items())]
        self._h2.send_headers(stream, told, end_stream=not answer.content)
        size = self._h2.max_outbound_frame_size
        for start in range(0, len(answer.content), size):
            self._h2.send_data(stream, answer.content[start : start + size])
        if answer.content:
            self._h2.end_stream(stream)

    def _flush(self) -> None:
        if self._is_open:
            self.request.sendall(self._h2.data_to_send())
