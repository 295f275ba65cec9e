"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from chat.errors import BrokerError, ChatError, RateLimited, RequestError, StoreError

log = logging.getLogger(__name__)


def problem(status: int, title: str, detail: str, **more: object) -> Response:
    """Return one problem as a response."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return Response(json.dumps(body), status, mimetype="application/problem+json")


def install(app: Flask) -> None:
    """Turn what routes raise into problems; nothing unexpected shows its inside."""
    app.register_error_handler(ChatError, _of_chat_error)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_surprise)


def _of_chat_error(error: ChatError) -> Response:
    status = error.status if isinstance(error, RequestError) else 503
    more = {"field": error.field} if error.field else {}
    if isinstance(error, BrokerError | StoreError):
        log.warning("request-failed", extra={"error": str(error)})
    response = problem(status, error.code, error.message, **more)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _of_http(error: HTTPException) -> Response:
    response = problem(error.code or 500, error.name.lower().replace(" ", "-"), error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _of_surprise(error: Exception) -> Response:
    log.error("request-broke", exc_info=error, extra={"action": "answer 500"})
    return problem(500, "internal-error", "the server could not do this; it was logged")
