"""Somebody who signs tokens, with a secret or with keys published on loopback, and who can forge every kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.ports import free_port

ISSUER, AUDIENCE = "https://id.example.org", "chat"
SECRET = "a secret of the tests that has the 64 bytes or more that HS512 wants"
OTHER_SECRET = "another one, which has at least the 64 bytes that HS512 wants of it"


def claims(**told: Any) -> dict[str, Any]:
    """Return good claims for `ann` with some of them replaced; None takes one out."""
    now = int(time.time())
    least = {"sub": "ann", "name": "Ann", "iat": now, "exp": now + 600, "iss": ISSUER, "aud": AUDIENCE}
    return {name: value for name, value in {**least, **told}.items() if value is not None}


def b64(data: bytes) -> str:
    """Encode as the parts of a JWT are."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], body: dict[str, Any], secret: bytes | None) -> str:
    """Return a token as no library makes it: signed with HMAC-SHA256, or not at all."""
    told = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(body).encode())}"
    signature = b"" if secret is None else hmac.new(secret, told.encode(), hashlib.sha256).digest()
    return f"{told}.{b64(signature)}"


class SecretIssuer:
    """Signs with one secret."""

    def token(self, **told: Any) -> str:
        """Return a good token, as far as its claims go."""
        return jwt.encode(claims(**told), SECRET, "HS256")


class KeyIssuer:
    """Signs with published keys; `with KeyIssuer() as issuer: issuer.url`."""

    def __init__(self) -> None:
        self.rsa = new_rsa()
        self.other_rsa = new_rsa()
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.published: list[dict[str, Any]] = []
        self.asked = 0  # how often the keys were fetched
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None  # in place of the keys
        self._port = free_port()
        self._was_stopped = False
        self._server: ThreadingHTTPServer | None = None
        self.reset()

    def reset(self) -> None:
        """Publish the two keys that there are at first, and nothing else."""
        self.published = [jwk(self.rsa, "rsa-1"), jwk(self.ec, "ec-1")]
        self.answer = None
        if self._was_stopped:
            self.start()

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"http://127.0.0.1:{self._port}/keys"

    def token(self, kid: str | None = "rsa-1", alg: str = "RS256", key: Any = None, **told: Any) -> str:
        """Return a token, a good one unless told otherwise."""
        signer = key or (self.ec if alg == "ES256" else self.rsa)
        return jwt.encode(claims(**told), signer, alg, headers={"kid": kid} if kid else {})

    def public_pem(self) -> bytes:
        """Return the RSA key as everybody can have it."""
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.rsa.public_key().public_bytes(serialization.Encoding.PEM, kind)

    def start(self) -> None:
        """Publish."""
        issuer, self._was_stopped = self, False

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                if issuer.answer is not None:
                    issuer.answer(self)
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": issuer.published}).encode())

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be gone; nobody listens there any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self._was_stopped = True

    def __enter__(self) -> KeyIssuer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str | None, **members: Any) -> dict[str, Any]:
    """Return the public half as an issuer publishes it."""
    if isinstance(key, rsa.RSAPrivateKey):
        told = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        told = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    named = {} if kid is None else {"kid": kid}
    return {name: value for name, value in told.items() if name != "key_ops"} | named | members


def new_rsa() -> rsa.RSAPrivateKey:
    """Return a key of the least size that is believed."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
