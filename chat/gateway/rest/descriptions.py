"""`GET /api/v1/asyncapi.json`: what the WebSocket takes and tells, for client developers and their tools."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.protocol import asyncapi


def blueprint() -> Blueprint:
    """Return the routes; anybody may read them, they say nothing that the public documentation does not."""
    routes = Blueprint("descriptions", __name__)

    @routes.get("/api/v1/asyncapi.json")
    def show_asyncapi() -> Response:
        return Response(msgspec.json.encode(asyncapi.document()), mimetype="application/json")

    return routes
