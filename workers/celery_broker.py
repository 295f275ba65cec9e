"""Celery's and redbeat's forms of the addresses that our settings take."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, urlsplit

from config.urls import SentinelAddress, read_sentinel, scheme_of


def broker_settings(url: str) -> dict[str, Any]:
    """Return the settings of Celery's broker that depend on its address."""
    scheme = scheme_of(url)
    if scheme == "sentinel":
        return _through_sentinel(read_sentinel(url))
    if scheme == "unix":
        return {"broker_url": _socket_url(url)}
    if scheme == "rediss":
        return {"broker_url": url, "broker_use_ssl": {"ssl_cert_reqs": "required"}}
    return {"broker_url": url}


def beat_settings(url: str) -> dict[str, Any]:
    """Return the settings of redbeat that depend on its address."""
    if scheme_of(url) != "sentinel":
        return {"redbeat_redis_url": url, "redbeat_redis_options": {"socket_timeout": 5}}
    place = read_sentinel(url)
    login = {"username": place.username, "password": place.password, "db": place.db}
    options = {
        "sentinels": [list(host) for host in place.hosts],
        "service_name": place.service,
        "socket_timeout": 5,
        **{name: value for name, value in login.items() if value is not None},
    }
    return {"redbeat_redis_url": "redis-sentinel://", "redbeat_redis_options": options}


def _through_sentinel(place: SentinelAddress) -> dict[str, Any]:
    login = ""
    if place.password:
        login = f"{quote(place.username or '', safe='')}:{quote(place.password, safe='')}@"
    urls = [f"sentinel://{login}{host}:{port}/{place.db}" for host, port in place.hosts]
    return {"broker_url": ";".join(urls), "broker_transport_options": {"master_name": place.service}}


def _socket_url(url: str) -> str:
    """`unix://[user:password@]/path?db=1` is `redis+socket://…/path?virtual_host=1` to kombu."""
    parts = urlsplit(url)
    options = dict(option.split("=", 1) for option in parts.query.split("&") if "=" in option)
    return f"redis+socket://{parts.netloc}{unquote(parts.path)}?virtual_host={options.get('db', '0')}"
