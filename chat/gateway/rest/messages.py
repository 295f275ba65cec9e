"""A room's messages over HTTP: read a page, send, edit, delete, react, and see what an edited one said before."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta

from chat.errors import InvalidRequest
from chat.gateway.posting import Posting
from chat.gateway.rest.reading import body, query, required_identity
from chat.model.ids import MessageRef, is_id
from chat.protocol.codec import ID_MEND, PAGE_LIMIT, Id
from chat.services.amending import Amending, ref_of
from chat.services.drafting import Outgoing
from chat.services.history import History
from chat.services.membership import Membership

Seq = Annotated[int, Meta(ge=0, le=2**53)]


class PageQuery(msgspec.Struct, frozen=True):
    """Which page: the newest, or next to a seq."""

    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_LIMIT)] = 50


class NewMessage(msgspec.Struct, frozen=True):
    """A message to send."""

    content: str
    temp_id: Id | None = None
    tempId: Id | None = None  # noqa: N815
    reply_to: str | None = None
    replyTo: str | None = None  # noqa: N815
    attachments: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None


class Edit(msgspec.Struct, frozen=True):
    """What a message is to say."""

    content: str


class Reaction(msgspec.Struct, frozen=True):
    """A reaction: added, taken back with `remove`, or whichever changes something where that is not said."""

    emoji: str
    remove: bool | None = None


def blueprint(membership: Membership, history: History, posting: Posting, amending: Amending) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("messages", __name__)

    def enter(room_id: str, what: str) -> Any:
        """Return who asks, when it is a member of the room."""
        identity = required_identity(what)
        if not is_id(room_id):
            raise InvalidRequest(f"roomId {ID_MEND}", field="roomId")
        membership.require(room_id, identity.user_id)
        return identity

    def enter_by(message_id: str, what: str) -> tuple[Any, MessageRef]:
        required_identity(what)
        ref = ref_of(message_id)
        return enter(ref.room_id, what), ref

    @routes.get("/api/v1/rooms/<room_id>/messages")
    def page(room_id: str) -> Response:
        enter(room_id, "reading messages")
        asked = query(PageQuery)
        found = history.page(room_id, asked.limit, before=asked.before, after=asked.after)
        messages = [msgspec.Raw(each) for each in found.messages]
        return _json({"messages": messages, "has_more": found.has_more})

    @routes.post("/api/v1/rooms/<room_id>/messages")
    def send(room_id: str) -> Response:
        identity = enter(room_id, "sending")
        sent = body(NewMessage)
        outgoing = Outgoing(
            room_id,
            sent.content,
            sent.temp_id or sent.tempId,
            sent.reply_to or sent.replyTo,
            sent.attachments,
            sent.metadata,
        )
        return _json(posting.post(identity, outgoing), 201)

    @routes.patch("/api/v1/messages/<message_id>")
    def edit(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "editing")
        edited = amending.edit(identity.user_id, ref, body(Edit).content)
        return Response(edited, mimetype="application/json")

    @routes.delete("/api/v1/messages/<message_id>")
    def delete(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "deleting")
        amending.delete(identity.user_id, ref)
        return Response(status=204)

    @routes.post("/api/v1/messages/<message_id>/reactions")
    def react(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "reacting")
        wanted = body(Reaction)
        done = amending.react(identity.user_id, ref, wanted.emoji, wanted.remove)
        return _json({"reactions": done.reactions})

    @routes.get("/api/v1/messages/<message_id>/edits")
    def edits(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "reading earlier versions")
        return _json({"versions": amending.versions(identity.user_id, ref)})

    return routes


def _json(told: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status, mimetype="application/json")
