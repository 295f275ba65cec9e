"""`/api/v1/messages/{id}/replies`: the replies to a message, page by page."""

from __future__ import annotations

from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer, optional_number, who, whole_number
from chat.gateway.rest.messages import SEQ_LIMIT
from chat.gateway.threads import ThreadPages
from chat.protocol.codec import PAGE_LIMIT


def blueprint(pages: ThreadPages) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("threads", __name__)

    @routes.get("/api/v1/messages/<message_id>/replies")
    def replies(message_id: str) -> Response:
        user_id = who("reading replies").user_id
        limit = whole_number("limit", 50, 1, PAGE_LIMIT)
        return answer(pages.page(user_id, message_id, limit, optional_number("after", SEQ_LIMIT) or 0))

    return routes
