"""`/api/v1/messages/{id}/replies`: the replies to a message, page by page."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer, who
from chat.gateway.rest.messages import MESSAGE, SeqBound
from chat.gateway.rest.operations import Operation
from chat.gateway.rest.queries import read_query
from chat.gateway.threads import ThreadPages
from chat.protocol.fields import PageSize
from chat.protocol.results import Messages


class RepliesQuery(msgspec.Struct, frozen=True):
    """After which seq to go on."""

    after: SeqBound = 0
    limit: PageSize = 50


REPLIES = Operation(
    "GET",
    f"{MESSAGE}/replies",
    "listReplies",
    "A page of the replies to a message, by ascending seq",
    {200: Messages},
    query=RepliesQuery,
    refusals=(403, 404, 409),
)


def blueprint(pages: ThreadPages) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("threads", __name__)

    @REPLIES.on(routes)
    def replies(message_id: str) -> Response:
        user_id = who("reading replies").user_id
        asked = read_query(RepliesQuery)
        return answer(pages.page(user_id, message_id, asked.limit, asked.after))

    return routes
