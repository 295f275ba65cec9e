"""`/api/v1/openapi.json` and `/api/v1/asyncapi.json`: what is taken and told, for client developers and tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer
from chat.gateway.rest.operations import Operation
from chat.protocol import asyncapi

OPENAPI = Operation(
    "GET", "/api/v1/openapi.json", "describeRest", "This document", {200: dict[str, Any]}, is_open=True
)
ASYNCAPI = Operation(
    "GET",
    "/api/v1/asyncapi.json",
    "describeEvents",
    "The WebSocket's events, as AsyncAPI",
    {200: dict[str, Any]},
    is_open=True,
)


def blueprint(describe_rest: Callable[[], dict[str, Any]]) -> Blueprint:
    """Return the routes; anybody may read them, they say nothing that the public documentation does not."""
    routes = Blueprint("descriptions", __name__)

    @OPENAPI.on(routes)
    def show_openapi() -> Response:
        return answer(describe_rest())

    @ASYNCAPI.on(routes)
    def show_asyncapi() -> Response:
        return answer(asyncapi.document())

    return routes
