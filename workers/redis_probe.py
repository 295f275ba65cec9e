"""Whether a Redis answers, and if not why, in words without its password."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from config.urls import read_sentinel, scheme_of

# redis-py would try ten times on its own
OPTIONS: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "decode_responses": True}


def open_client(url: str, timeout_s: float = 2.0) -> redis.Redis:
    """Return a blocking client for a checked address; a call fails after `timeout_s`."""
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    if scheme_of(url) != "sentinel":
        return redis.Redis.from_url(url, **timeouts, **OPTIONS)
    place = read_sentinel(url)
    login = {"username": place.username, "password": place.password, "db": place.db}
    sentinel = Sentinel(place.hosts, sentinel_kwargs=timeouts, **timeouts, **login, **OPTIONS)
    client: redis.Redis = sentinel.master_for(place.service)
    return client


def probe(url: str, timeout_s: float = 2.0) -> str | None:
    """Send PING; return None for an answer, otherwise what is wrong."""
    try:
        with open_client(url, timeout_s) as client:
            client.ping()
    except redis.AuthenticationError:
        return "refuses the login"
    except redis.BusyLoadingError:
        return "is still loading its data"
    except redis.TimeoutError:
        return "does not answer in time"
    except (redis.RedisError, OSError):
        return "can't be reached"
    return None
