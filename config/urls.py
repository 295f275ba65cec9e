"""The addresses of Redis and of the store, checked before anything connects.

No fault repeats a part of an address: one that is written wrongly may show its password anywhere.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from config.couchbase_url import MEND as COUCHBASE_MEND
from config.couchbase_url import SCHEMES as COUCHBASE_SCHEMES
from config.couchbase_url import CouchbaseAddress, read_couchbase
from config.env import SettingError

REDIS_MEND = "set redis://HOST:6379/0, rediss://, unix:///PATH or sentinel://HOST:26379,HOST:26379/SERVICE/0"
JWKS_MEND = "set https://HOST/PATH (http:// only on this machine itself: localhost, 127.0.0.1 or [::1])"
STORE_MEND = (
    "set sqlite:///FOLDER/chat.db (an absolute path has four slashes) or couchbase://USER:PASSWORD@HOST/BUCKET"
)
SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """A Redis found through its sentinels."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None = field(repr=False)


def check_redis(name: str, url: str) -> str:
    """Return `url` when it is one that a Redis client can be made from.

    Raises: SettingError, without a part of the address in it.
    """
    scheme = scheme_of(url)
    if scheme == "cluster":
        raise SettingError(name, "is a cluster:// address, which arrives in a later release", REDIS_MEND)
    try:
        checks = {"redis": _check_tcp, "rediss": _check_tcp, "unix": _check_unix, "sentinel": read_sentinel}
        if scheme not in checks:
            raise ValueError("starts with no scheme that is known")
        checks[scheme](url)
    except ValueError as fault:
        raise SettingError(name, _said(fault), REDIS_MEND) from None
    return url


def read_sentinel(url: str) -> SentinelAddress:
    """Return what `sentinel://[user:password@]h1:p1,h2:p2/SERVICE[/DB]` names.

    Raises: ValueError, saying the fault.
    """
    parts = urlsplit(url)
    login, _, places = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("names no sentinel service")
    hosts = tuple(_read_place(place) for place in places.split(","))
    return SentinelAddress(
        hosts, unquote(service), _read_db(db), unquote(username) or None, unquote(password) or None
    )


def read_store(name: str, url: str) -> Path | CouchbaseAddress:
    """Return the file or the cluster that a store's address names.

    Raises: SettingError, without a part of the address in it.
    """
    if scheme_of(url) in COUCHBASE_SCHEMES:
        try:
            return read_couchbase(url)
        except ValueError as fault:
            raise SettingError(name, _said(fault), COUCHBASE_MEND) from None
    return read_sqlite(name, url)


def read_sqlite(name: str, url: str) -> Path:
    """Return the file that `sqlite:///FILE` names.

    Raises: SettingError.
    """
    if scheme_of(url) != "sqlite":
        raise SettingError(name, "starts with no scheme that is known", STORE_MEND)
    file = url[len("sqlite:///") :]
    if not url.startswith("sqlite:///") or not file or file.endswith("/"):
        raise SettingError(name, "names no file", STORE_MEND)
    if "?" in file:
        raise SettingError(name, "has options after a '?', and an SQLite file takes none", STORE_MEND)
    if ":memory:" in file:
        raise SettingError(name, "is in memory, which the server and the workers can't share", STORE_MEND)
    return Path(file)


def check_jwks(name: str, url: str) -> str:
    """Return `url` when keys may be fetched from there: over TLS, or from this machine.

    Raises: SettingError, without a part of the address in it.
    """
    try:
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("has characters that no address has")
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http"):
            raise ValueError("starts with no scheme that is known")
        if "@" in parts.netloc:
            raise ValueError("has a login in it")
        host, _ = _read_place(parts.netloc)
        if parts.scheme == "http" and not _is_loopback(host):
            raise ValueError("has keys travel unprotected over a network")
    except ValueError as fault:
        raise SettingError(name, _said(fault), JWKS_MEND) from None
    return url


def place_of(url: str) -> str:
    """Return where an already checked Redis address leads, without its login."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]


def scheme_of(url: str) -> str:
    """Return the scheme, or nothing when the text does not start with one."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    return match[1].lower() if match else ""


def _check_tcp(url: str) -> None:
    parts = urlsplit(url)
    _read_place(parts.netloc.rpartition("@")[2])
    _read_db(parts.path.strip("/"))


def _check_unix(url: str) -> None:
    parts: SplitResult = urlsplit(url)
    if not parts.path.strip("/"):
        raise ValueError("names no socket file")


def _read_place(place: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::([0-9]{1,5}))?", place)
    if match is None:
        raise ValueError("names no host, or a port that is no number")
    port = int(match[2] or SENTINEL_PORT)
    if not 1 <= port <= 65535:
        raise ValueError("has a port that is out of range")
    return match[1].strip("[]"), port


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_db(text: str) -> int:
    if not re.fullmatch(r"[0-9]{0,5}", text):
        raise ValueError("has a database that is no number")
    return int(text or 0)


def _said(fault: ValueError) -> str:
    """Our own faults speak for themselves; urllib's may quote the address."""
    ours = fault.args and str(fault.args[0]).startswith(("starts", "names", "has"))
    return str(fault) if ours else "can't be read as an address"
