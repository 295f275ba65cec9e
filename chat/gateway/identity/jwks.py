"""The issuer's public keys, fetched from where it publishes them and kept while that can't be reached.

Keys are learnt at the start, every `REFRESH_S` (so that a withdrawn key is forgotten), and when a token names an
unknown one. One fetch is under way at a time, in a greenlet of its own; only tokens that wait for it wait.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from http.client import HTTPException
from time import monotonic
from typing import Any
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import gevent
from jwt import PyJWK, PyJWTError

from chat.errors import KeysUnavailable, Unauthenticated
from chat.gateway.identity.tokens import Key

REFRESH_S = 300.0
RETRY_PAUSES_S = (1.0, 2.0, 5.0, 10.0)  # after a fetch that failed
FETCH_TIMEOUT_S = 3.0  # for all of it
DOCUMENT_LIMIT_BYTES = 256 * 1024
KEYS_LIMIT = 100
LEAST_RSA_BITS = 2048  # RFC 7518 section 3.3
FAMILIES = {"RSA": "RS256", "EC": "ES256"}  # what a key of a kind is for; secrets (`oct`) are no public keys
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
log = logging.getLogger(__name__)

KeyName = tuple[str | None, str]  # key id and algorithm


class FetchFailed(Exception):
    """The keys were not there, or what was there is no set of keys."""


class PublishedKeys:
    """Finds the key that a token's header names."""

    def __init__(
        self, url: str, refetch_s: float, fetch: Callable[[str], bytes] | None = None, refresh_s: float = REFRESH_S
    ) -> None:
        self._url = url
        self._refetch_s = refetch_s
        self._refresh_s = refresh_s
        self._fetch = fetch or fetch_document
        self._keys: dict[KeyName, Key] | None = None  # None: never fetched
        self._flight: Any = None  # the greenlet of the fetch that is under way
        self._may_refetch_at = 0.0

    def start(self) -> None:
        """Begin to fetch, now and again."""
        gevent.spawn(self._keep_fresh)

    def find(self, header: Mapping[str, Any]) -> Key:
        """Return the key for a token with this header; waits when its key is not known yet.

        Raises: Unauthenticated when the issuer has no such key, KeysUnavailable when it could not be asked.
        """
        key_id, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in FAMILIES.values():
            raise Unauthenticated("the token's alg must be RS256 or ES256", field="token")
        key = self._known(key_id, algorithm) or self._learnt(key_id, algorithm)
        if key is None and self._keys is None:
            raise KeysUnavailable
        if key is None:
            raise Unauthenticated("the token is signed with a key that its issuer does not publish", field="token")
        return key

    def _known(self, key_id: str | None, algorithm: str) -> Key | None:
        keys = self._keys or {}
        if key_id is not None:
            return keys.get((key_id, algorithm))
        fitting = [key for key in keys.values() if key.algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None  # no guess among several

    def _learnt(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return a key that was not known before a fetch, if one may be made now."""
        if self._is_flying:
            self._flight.join()
            if key := self._known(key_id, algorithm):
                return key
        if monotonic() >= self._may_refetch_at:
            self._may_refetch_at = monotonic() + self._refetch_s
            self._load()
        elif self._is_flying:
            self._flight.join()
        return self._known(key_id, algorithm)

    @property
    def _is_flying(self) -> bool:
        return self._flight is not None and not self._flight.ready()

    def _load(self) -> bool:
        """Fetch, or wait for the fetch that is under way; return False when it brought nothing."""
        if not self._is_flying:
            self._flight = gevent.spawn(self._replace)
        self._flight.join()
        return bool(self._flight.value)

    def _replace(self) -> bool:
        try:
            with gevent.Timeout(FETCH_TIMEOUT_S, FetchFailed("not answered in time")):
                document = self._fetch(self._url)
            self._keys = read_keys(document)
        except (FetchFailed, OSError, HTTPException, ValueError) as exc:
            told = {"error": str(exc) or type(exc).__name__, "keys": len(self._keys or {})}
            log.warning("issuer-keys-not-fetched", extra=told | {"action": "go on with the known ones"})
            return False
        log.info("issuer-keys-fetched", extra={"keys": len(self._keys)})
        return True

    def _keep_fresh(self) -> None:
        failures = 0
        while True:
            failures = 0 if self._load() else failures + 1
            pause_s = RETRY_PAUSES_S[min(failures, len(RETRY_PAUSES_S)) - 1] if failures else self._refresh_s
            gevent.sleep(pause_s)


def read_keys(document: bytes) -> dict[KeyName, Key]:
    """Return the keys of a JWK set that may check signatures; others are passed over.

    Raises: FetchFailed, when the document is no JWK set.
    """
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, RecursionError, TypeError, KeyError) as exc:
        raise FetchFailed("the answer is no JWK set") from exc
    if not isinstance(listed, list) or len(listed) > KEYS_LIMIT:
        raise FetchFailed(f"the answer has no list of at most {KEYS_LIMIT} keys")
    keys: dict[KeyName, Key] = {}
    for each in listed:
        key = _key_of(each) if isinstance(each, dict) else None
        if key is not None:
            key_id = each.get("kid")
            keys.setdefault((key_id if isinstance(key_id, str) else None, key.algorithm), key)
    return keys


def _key_of(jwk: dict[str, Any]) -> Key | None:
    algorithm = FAMILIES.get(str(jwk.get("kty")))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if algorithm == "ES256" and jwk.get("crv") != "P-256":
        return None
    try:
        public = {name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS}
        material: Any = PyJWK.from_dict(public, algorithm).key
    except (PyJWTError, ValueError, TypeError, KeyError) as exc:
        log.warning("issuer-key-not-usable", extra={"error": type(exc).__name__})
        return None
    if algorithm == "RS256" and material.key_size < LEAST_RSA_BITS:
        log.warning("issuer-key-not-usable", extra={"error": f"{material.key_size} bits are too few"})
        return None
    return Key(material, algorithm)


class _NoRedirects(HTTPRedirectHandler):
    """The address that was set is the one that is trusted."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def fetch_document(url: str) -> bytes:
    """Return what is at `url`, up to a limit and without following it elsewhere.

    Raises: OSError, HTTPException, FetchFailed.
    """
    handlers: list[Any] = [_NoRedirects]
    if url.startswith("http://"):
        handlers.append(ProxyHandler({}))  # loopback is not behind a proxy
    request = Request(url, headers={"Accept": "application/json"})
    with build_opener(*handlers).open(request, timeout=FETCH_TIMEOUT_S) as answer:
        document: bytes = answer.read(DOCUMENT_LIMIT_BYTES + 1)
    if len(document) > DOCUMENT_LIMIT_BYTES:
        raise FetchFailed(f"the answer has more than {DOCUMENT_LIMIT_BYTES} bytes")
    return document
