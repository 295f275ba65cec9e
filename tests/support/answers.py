"""Every answer of the HTTP API is held to the operation that describes it: status, media type and each member."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from chat.gateway import catalogue
from chat.gateway.rest.openapi import JSON, PROBLEM
from chat.gateway.rest.operations import API, Operation
from chat.gateway.rest.problems import Problem


def checked(response: requests.Response) -> requests.Response:
    """Return the response; raises AssertionError when the API's description does not know it."""
    method, path = str(response.request.method), urlsplit(str(response.request.url)).path
    if method not in ("HEAD", "OPTIONS"):
        try:
            _check(response, _operation(method, path), path)
        except (AssertionError, msgspec.DecodeError) as exc:
            raise AssertionError(f"{method} {path} → {response.status_code} is not as described: {exc}") from exc
    return response


def _check(response: requests.Response, operation: Operation | None, path: str) -> None:
    status, media_type = response.status_code, response.headers.get("Content-Type", "").partition(";")[0]
    if operation is not None and status in operation.answers:
        kind = operation.answers[status]
        if kind is None:
            assert response.content == b""
        elif isinstance(kind, tuple):
            assert media_type in kind
        else:
            assert media_type == JSON
            _decoder(kind).decode(response.content)
    elif operation is not None or path.startswith(API):
        is_absent = status == 404 and operation not in catalogue.operations(is_dev=False)  # dev mode's elsewhere
        assert operation is None or status in operation.problems or is_absent, "no such status"
        assert operation is not None or status in (401, 404, 405), "no such operation"
        assert media_type == PROBLEM
        assert _decoder(Problem).decode(response.content).status == status
        assert status != 429 or int(response.headers["Retry-After"]) >= 1
        assert status != 401 or response.headers["WWW-Authenticate"] == "Bearer"


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], Operation]]:
    every = catalogue.operations(is_dev=True)
    return [(each.method, re.compile(re.sub(r"<\w+>", "[^/]+", each.path)), each) for each in every]


def _operation(method: str, path: str) -> Operation | None:
    found = (each for known, pattern, each in _patterns() if known == method and pattern.fullmatch(path))
    return next(found, None)
