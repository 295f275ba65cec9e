"""Every setting of the system, read once from the environment, checked and frozen (docs/settings.md)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from config.couchbase_url import CouchbaseAddress
from config.durability import StoreDurability
from config.env import Env, SettingError, shown
from config.origins import Network, read_network, read_origin
from config.push import PushSettings, read_push
from config.push_work import PushWorkSettings, read_push_work
from config.urls import check_jwks, check_redis, read_store

LEAST_SECRET_BYTES = 32  # HS256 wants a key as long as its hash: RFC 7518 section 3.2
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MIB = 1024 * 1024
HOST_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The HTTP and WebSocket server."""

    host: str  # the address it listens on
    port: int
    processes: int  # all listen on the one port
    allowed_origins: tuple[str, ...]  # exact, besides the server's own
    trusted_proxies: tuple[Network, ...]  # whose X-Forwarded-For is believed
    shutdown_grace_s: float  # how long a stopping server lets its clients leave
    ping_after_s: float  # a WebSocket of which nothing came for so long is pinged
    heartbeat_timeout_s: float  # and after so long it is closed


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The Redis of the chat."""

    url: str | None = field(repr=False)  # None: `make run` embeds a server
    socket_timeout_s: float  # one answer takes no longer
    connect_timeout_s: float
    embedded_port: int  # 0: a free one


@dataclass(frozen=True, slots=True)
class CelerySettings:
    """The broker of the background work."""

    broker_url: str | None = field(repr=False)  # the chat's Redis when not set


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where documents are kept."""

    url: str = field(repr=False)
    place: Path | CouchbaseAddress  # the same, read
    durability: StoreDurability  # what Couchbase must have done before a write counts

    @property
    def sqlite_path(self) -> Path | None:
        """The file, where documents are kept in one."""
        return self.place if isinstance(self.place, Path) else None


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Who signs the tokens, and what they have to say."""

    mode: Literal["jwt", "dev"]
    secret: str = field(repr=False)  # HS256; empty where a JWKS has the keys
    jwks_url: str | None  # where the public keys of RS256 and ES256 tokens are
    jwks_refetch_s: float  # an unknown key id fetches them again, at most so often
    revocation_s: int  # how long a revocation is kept: no token may live longer
    issuer: str | None  # required `iss`
    audience: str | None  # required `aud`

    @property
    def is_dev(self) -> bool:
        """Guests, minted tokens and rooms made on sight are allowed."""
        return self.mode == "dev"


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What one client may use. In the first six, 0 turns the limit off."""

    messages_per_s: int  # per user over all servers, burst twice that
    frames_per_s: int  # per connection, burst twice that
    joins_per_s: int  # rooms, per connection, burst ten times that
    sockets_per_user: int
    sockets_per_address: int
    rest_per_s: int  # per user
    frame_limit_bytes: int  # one WebSocket message
    content_limit_bytes: int  # the text of one chat message, as UTF-8
    backlog_limit_bytes: int  # waiting for one slow reader
    rooms_per_socket: int
    outbox_limit: int  # per shard: accepted messages that wait to be stored
    room_members: int


@dataclass(frozen=True, slots=True)
class PathSettings:
    """The path of a message from accept to confirm."""

    log_length: int  # events kept per room for replay
    give_up_s: float  # a message that can't be stored for so long is retracted
    drain_batch: int  # messages stored in one go
    drain_linger_ms: int  # how long a drain waits for more before it ends
    reclaim_idle_s: float  # after so long a dead worker's messages are taken over
    worker_concurrency: int  # processes of the persist worker
    unread_refresh_members: int  # in rooms up to this size a message counts everybody's unread anew


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """Who counts as online, and who is told."""

    grace_s: float  # a user whose last connection ended stays online for so long
    lease_s: float  # a dead server's users stay online for so long
    room_limit: int  # in a room with more people online, changes are not told and no more are listed


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and in which form."""

    level: str
    format: Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    web: WebSettings
    flower_port: int
    cpu_priority: str  # normal | realtime: of the web servers and the embedded Redis
    data_dir: Path
    redis: RedisSettings
    celery: CelerySettings
    store: StoreSettings
    auth: AuthSettings
    limits: LimitSettings
    path: PathSettings
    presence: PresenceSettings
    push: PushSettings
    push_work: PushWorkSettings
    log: LogSettings


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read all settings; variables that are not known are ignored.

    Raises: SettingError for the first one that can't be used.
    """
    env = Env(environ)
    data_dir = Path(env.text("DATA_DIR", "var"))
    return Settings(
        web=_web(env),
        flower_port=env.whole("FLOWER_PORT", 5555, 1, 65535),
        cpu_priority=env.choice("CPU_PRIORITY", "normal", ("normal", "realtime")),
        data_dir=data_dir,
        redis=_redis(env),
        celery=CelerySettings(broker_url=_redis_url(env, "CELERY_BROKER_URL") or _redis_url(env, "REDIS_URL")),
        store=_store(env, data_dir),
        auth=_auth(env),
        limits=_limits(env),
        path=_path(env),
        presence=_presence(env),
        push=read_push(env),
        push_work=read_push_work(env),
        log=_log(env),
    )


def _web(env: Env) -> WebSettings:
    heartbeat_timeout_s = env.number("HEARTBEAT_TIMEOUT_S", 60.0, 0.5, 86_400)
    ping_after_s = env.number("HEARTBEAT_PING_S", min(25.0, heartbeat_timeout_s / 2), 0.1, 86_400)
    if ping_after_s >= heartbeat_timeout_s:
        fault = f"is {ping_after_s:g}, no less than HEARTBEAT_TIMEOUT_S ({heartbeat_timeout_s:g})"
        raise SettingError("HEARTBEAT_PING_S", fault, "lower it or raise HEARTBEAT_TIMEOUT_S")
    host = env.text("HOST", "127.0.0.1")
    if not HOST_NAME.fullmatch(host):
        raise SettingError("HOST", f"is {shown(host)}, which is no host or address", "set one such as 127.0.0.1")
    return WebSettings(
        host=host,
        port=env.whole("PORT", 3000, 1, 65535),
        processes=env.whole("WEB_PROCESSES", 1, 1, 64),
        allowed_origins=tuple(read_origin("ALLOWED_ORIGINS", o) for o in env.listing("ALLOWED_ORIGINS")),
        trusted_proxies=tuple(read_network("TRUSTED_PROXIES", n) for n in env.listing("TRUSTED_PROXIES")),
        shutdown_grace_s=env.number("SHUTDOWN_GRACE_S", 5.0, 0, 600),
        ping_after_s=ping_after_s,
        heartbeat_timeout_s=heartbeat_timeout_s,
    )


def _redis(env: Env) -> RedisSettings:
    return RedisSettings(
        url=_redis_url(env, "REDIS_URL"),
        socket_timeout_s=env.number("REDIS_TIMEOUT_S", 2.0, 0.05, 60),
        connect_timeout_s=env.number("REDIS_CONNECT_TIMEOUT_S", 1.0, 0.05, 60),
        embedded_port=env.whole("EMBEDDED_REDIS_PORT", 0, 0, 65535),
    )


def _redis_url(env: Env, name: str) -> str | None:
    url = env.optional(name)
    return url and check_redis(name, url)


def _store(env: Env, data_dir: Path) -> StoreSettings:
    url = env.text("STORE_URL", f"sqlite:///{data_dir / 'chat.db'}")
    return StoreSettings(
        url=url,
        place=read_store("STORE_URL", url),
        durability=StoreDurability(env.choice("STORE_DURABILITY", "auto", tuple(StoreDurability))),
    )


def _auth(env: Env) -> AuthSettings:
    mode: Literal["jwt", "dev"] = "dev" if env.choice("AUTH_MODE", "jwt", ("jwt", "dev")) == "dev" else "jwt"
    jwks_url = _jwks_url(env, mode)
    return AuthSettings(
        mode=mode,
        secret="" if jwks_url else _secret(env, mode),
        jwks_url=jwks_url,
        jwks_refetch_s=env.number("AUTH_JWKS_REFETCH_S", 10.0, 0.1, 3600),
        revocation_s=env.whole("AUTH_REVOCATION_S", 25 * 3600, 1, 366 * 86_400),
        issuer=env.optional("AUTH_ISSUER"),
        audience=env.optional("AUTH_AUDIENCE"),
    )


def _jwks_url(env: Env, mode: str) -> str | None:
    url = env.optional("AUTH_JWKS_URL")
    if url is None:
        return None
    if env.raw("AUTH_SECRET"):
        fault = "is set and AUTH_SECRET too, but tokens have one kind of signature"
        raise SettingError("AUTH_JWKS_URL", fault, "unset one of the two")
    if mode == "dev":
        fault = "is set with AUTH_MODE=dev, where the server mints tokens itself"
        raise SettingError("AUTH_JWKS_URL", fault, "set AUTH_MODE=jwt or unset it")
    return check_jwks("AUTH_JWKS_URL", url)


def _secret(env: Env, mode: str) -> str:
    secret = env.raw("AUTH_SECRET")
    mend = f"set at least {LEAST_SECRET_BYTES} random bytes, for example the output of: openssl rand -base64 48"
    if secret is None:
        if mode == "dev":
            return secrets.token_urlsafe(48)
        raise SettingError(
            "AUTH_SECRET",
            "is not set and AUTH_MODE is jwt",
            f"{mend} (or AUTH_JWKS_URL, or AUTH_MODE=dev to try out)",
        )
    size = len(secret.encode(errors="surrogateescape"))
    if size < LEAST_SECRET_BYTES:
        raise SettingError("AUTH_SECRET", f"has {size} bytes, too few for HS256", mend)
    return secret


def _limits(env: Env) -> LimitSettings:
    limits = LimitSettings(
        messages_per_s=env.whole("MAX_MESSAGES_PER_S", 20),
        frames_per_s=env.whole("MAX_FRAMES_PER_S", 200),
        joins_per_s=env.whole("MAX_JOINS_PER_S", 50),
        sockets_per_user=env.whole("MAX_SOCKETS_PER_USER", 20),
        sockets_per_address=env.whole("MAX_SOCKETS_PER_ADDRESS", 50),
        rest_per_s=env.whole("MAX_REST_PER_S", 200),
        frame_limit_bytes=env.whole("MAX_FRAME_BYTES", 64 * 1024, 1024, 16 * MIB),
        content_limit_bytes=env.whole("MAX_CONTENT_BYTES", 16 * 1024, 1, 16 * MIB),
        backlog_limit_bytes=env.whole("MAX_BACKLOG_BYTES", 4 * MIB, 64 * 1024),
        rooms_per_socket=env.whole("MAX_ROOMS_PER_SOCKET", 500, 1),
        outbox_limit=env.whole("MAX_OUTBOX", 100_000, 1),
        room_members=env.whole("MAX_ROOM_MEMBERS", 10_000, 2),
    )
    if limits.content_limit_bytes > limits.frame_limit_bytes:
        fault = f"is {limits.content_limit_bytes}, more than MAX_FRAME_BYTES ({limits.frame_limit_bytes})"
        raise SettingError("MAX_CONTENT_BYTES", fault, "lower it or raise MAX_FRAME_BYTES")
    return limits


def _path(env: Env) -> PathSettings:
    return PathSettings(
        log_length=env.whole("LOG_LENGTH", 1000, 1, 1_000_000),
        give_up_s=env.number("PERSIST_GIVE_UP_S", 300.0, 1, 86_400),
        drain_batch=env.whole("DRAIN_BATCH", 500, 1, 10_000),
        drain_linger_ms=env.whole("DRAIN_LINGER_MS", 150, 0, 10_000),
        reclaim_idle_s=env.number("RECLAIM_IDLE_S", 5.0, 0.1, 3600),
        worker_concurrency=env.whole("WORKER_CONCURRENCY", 2, 1, 64),
        unread_refresh_members=env.whole("UNREAD_REFRESH_MEMBERS", 100, 0, 10_000),
    )


def _presence(env: Env) -> PresenceSettings:
    return PresenceSettings(
        grace_s=env.number("PRESENCE_GRACE_S", 5.0, 0, 60),
        lease_s=env.number("PRESENCE_LEASE_S", 75.0, 1, 300),
        room_limit=env.whole("PRESENCE_ROOM_LIMIT", 500, 0, 10_000),
    )


def _log(env: Env) -> LogSettings:
    return LogSettings(
        level=env.choice("LOG_LEVEL", "INFO", LOG_LEVELS),
        format="json" if env.choice("LOG_FORMAT", "text", ("text", "json")) == "json" else "text",
    )
