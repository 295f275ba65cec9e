"""The address of a Couchbase cluster and of our place in it, read without repeating a part of it in a fault."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

MEND = "set couchbase://USER:PASSWORD@HOST,HOST/BUCKET (couchbases:// for TLS, ?scope=NAME for collections)"
SCHEMES = ("couchbase", "couchbases")
OPTIONS = ("scope", "certificate")
BUCKET = re.compile(r"[A-Za-z0-9_.%-]{1,100}")
SCOPE = re.compile(r"_default|[A-Za-z0-9-][A-Za-z0-9_%-]{0,250}")
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class CouchbaseAddress:
    """Where documents are kept in a cluster, and as whom."""

    hosts: tuple[str, ...]  # HOST or HOST:PORT, a key-value port; IPv6 in brackets
    bucket: str
    username: str
    password: str = field(repr=False)
    scope: str | None = None  # None: the default collection, the kind is the key's prefix
    is_tls: bool = False
    certificate: str | None = None  # a file of authorities; None: those that the SDK brings

    @property
    def place(self) -> str:
        """Where it leads, as it may appear in a line: without the login."""
        scope = f" scope {self.scope}" if self.scope else ""
        return f"bucket {self.bucket}{scope} at {','.join(self.hosts)}"

    @property
    def connection_string(self) -> str:
        """The hosts as the SDK takes them."""
        return f"{SCHEMES[self.is_tls]}://{','.join(self.hosts)}"


def read_couchbase(url: str) -> CouchbaseAddress:
    """Return what `couchbase[s]://user:password@h1[:port],h2/BUCKET[?scope=NAME&certificate=FILE]` names.

    User, password and options are percent-decoded. Raises: ValueError, saying the fault.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("starts with no scheme that is known")
    if parts.fragment:
        raise ValueError("has a '#' in it, which is written %23")
    is_tls = parts.scheme == "couchbases"
    username, password = _login(parts.netloc)
    options = _options(parts.query)
    if "certificate" in options and not is_tls:
        raise ValueError("has a certificate, but no TLS (couchbases://)")
    return CouchbaseAddress(
        hosts=_hosts(parts.netloc),
        bucket=_bucket(parts.path),
        username=username,
        password=password,
        scope=options.get("scope"),
        is_tls=is_tls,
        certificate=options.get("certificate"),
    )


def _login(netloc: str) -> tuple[str, str]:
    username, _, password = netloc.rpartition("@")[0].partition(":")
    if not username or not password:
        raise ValueError("names no user and password")
    return unquote(username), unquote(password)


def _hosts(netloc: str) -> tuple[str, ...]:
    hosts = tuple(netloc.rpartition("@")[2].split(","))
    for host in hosts:
        match = HOST.fullmatch(host)
        if match is None:
            raise ValueError("names no host, or a port that is no number")
        if match[2] and not 1 <= int(match[2]) <= 65535:
            raise ValueError("has a port that is out of range")
    return hosts


def _bucket(path: str) -> str:
    bucket = unquote(path.removeprefix("/"))
    if not bucket:
        raise ValueError("names no bucket")
    if not BUCKET.fullmatch(bucket):
        raise ValueError("has a bucket of a name that no bucket has")
    return bucket


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS:
            raise ValueError(f"has an option that is not known (there are {' and '.join(OPTIONS)})")
        if not value or name in options:
            raise ValueError(f"has no single value for {name}")
        options[name] = value
    if "scope" in options and not SCOPE.fullmatch(options["scope"]):
        raise ValueError("has a scope of a name that no scope has")
    return options
