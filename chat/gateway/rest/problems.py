"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
import math

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch

from chat.errors import BrokerError, ChatError, RateLimited, RequestError, StoreError

log = logging.getLogger(__name__)


MENDS = {
    404: "there is nothing at this address; GET /api/v1/openapi.json describes what there is",
    405: "this can't be done here; the header Allow names what can",
    413: "the body is too large; send less at a time",
}
NO_MATCH = "WebSockets are spoken at /ws and at / with Upgrade: websocket, and HTTP everywhere but at /ws"


class Problem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why a request was not done: `title` is the error's code, `field` names what to mend."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | msgspec.UnsetType = msgspec.UNSET


def problem(status: int, title: str, detail: str, field: str | None = None) -> Response:
    """Return one problem as a response."""
    told = Problem(title=title, status=status, detail=detail, field=field or msgspec.UNSET)
    return Response(msgspec.json.encode(told), status, mimetype="application/problem+json")


def install(app: Flask) -> None:
    """Turn what routes raise into problems; nothing unexpected shows its inside."""
    app.register_error_handler(ChatError, _of_chat_error)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_surprise)


def _of_chat_error(error: ChatError) -> Response:
    status = error.status if isinstance(error, RequestError) else 503
    if isinstance(error, BrokerError | StoreError):
        log.warning("request-failed", extra={"error": str(error)})
    response = problem(status, error.code, error.message, error.field)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    is_mismatch = isinstance(error, WebsocketMismatch)
    detail = NO_MATCH if is_mismatch else MENDS.get(status) or error.description or error.name
    response = problem(status, error.name.lower().replace(" ", "-"), detail)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _of_surprise(error: Exception) -> Response:
    log.error("request-broke", exc_info=error, extra={"action": "answer 500"})
    return problem(500, "internal-error", "the server could not do this; it was logged")
