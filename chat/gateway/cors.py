"""What pages of other origins may do with the API: those of ALLOWED_ORIGINS everything that a token allows.

There are no cookies, so a page without a token can do nothing in anybody's name; without these headers it can't
read an answer either.
"""

from __future__ import annotations

from flask import Flask, Response, request

from chat.errors import OriginRefused
from chat.gateway.identity import check_origin

API = "/api/"
METHODS = "GET, POST, PUT, PATCH, DELETE"
HEADERS = "Authorization, Content-Type"
EXPOSED = "Retry-After"
PREFLIGHT_KEPT_S = "600"  # a page asks once in 10 min whether it may ask


def install(app: Flask, allowed: tuple[str, ...]) -> None:
    """Answer preflights, and let allowed pages read answers."""

    @app.before_request
    def answer_preflight() -> Response | None:
        if not _is_for_api() or request.method != "OPTIONS":
            return None
        if "Access-Control-Request-Method" not in request.headers:
            return None
        check_origin(request.headers.get("Origin"), request.host, allowed)
        told = {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": HEADERS,
            "Access-Control-Max-Age": PREFLIGHT_KEPT_S,
        }
        return Response(status=204, headers=told)

    @app.after_request
    def let_read(response: Response) -> Response:
        if not _is_for_api():
            return response
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin is not None and _is_allowed(origin, allowed):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        return response


def _is_for_api() -> bool:
    return request.path.startswith(API)


def _is_allowed(origin: str, allowed: tuple[str, ...]) -> bool:
    try:
        check_origin(origin, request.host, allowed)
    except OriginRefused:
        return False
    return True
