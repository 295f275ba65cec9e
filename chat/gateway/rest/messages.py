"""A room's messages over HTTP: read a page, send, edit, delete, react, and see what an edited one said before."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response

from chat.gateway.identity import Identity
from chat.gateway.posting import Posting
from chat.gateway.rest.bodies import answer, checked_id, no_content, optional_number, read_body, who, whole_number
from chat.model.ids import MessageRef
from chat.protocol.codec import PAGE_LIMIT, Id
from chat.services.amending import Amending, ref_of
from chat.services.drafting import Outgoing
from chat.services.history import History
from chat.services.membership import Membership

SEQ_LIMIT = 2**53 - 1


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


_new_message = msgspec.json.Decoder(NewMessage)
_edit = msgspec.json.Decoder(Edit)
_reaction = msgspec.json.Decoder(Reaction)


def blueprint(membership: Membership, history: History, posting: Posting, amending: Amending) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("messages", __name__)

    def enter(room_id: str, deed: str) -> Identity:
        """Return who asks, when it is a member of the room."""
        identity = who(deed)
        membership.require(checked_id(room_id, "roomId"), identity.user_id)
        return identity

    def enter_by(message_id: str, deed: str) -> tuple[Identity, MessageRef]:
        who(deed)
        ref = ref_of(message_id)
        return enter(ref.room_id, deed), ref

    @routes.get("/api/v1/rooms/<room_id>/messages")
    def page(room_id: str) -> Response:
        enter(room_id, "reading messages")
        limit = whole_number("limit", 50, 1, PAGE_LIMIT)
        before, after = optional_number("before", SEQ_LIMIT), optional_number("after", SEQ_LIMIT)
        found = history.page(room_id, limit, before=before, after=after)
        return answer({"messages": [msgspec.Raw(each) for each in found.messages], "has_more": found.has_more})

    @routes.post("/api/v1/rooms/<room_id>/messages")
    def send(room_id: str) -> Response:
        identity = enter(room_id, "sending")
        sent = read_body(_new_message)
        outgoing = Outgoing(
            room_id,
            sent.content,
            sent.temp_id or sent.tempId,
            sent.reply_to or sent.replyTo,
            sent.attachments,
            sent.metadata,
        )
        return answer(posting.post(identity, outgoing), 201)

    @routes.patch("/api/v1/messages/<message_id>")
    def edit(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "editing")
        edited = amending.edit(identity.user_id, ref, read_body(_edit).content)
        return Response(edited, mimetype="application/json")

    @routes.delete("/api/v1/messages/<message_id>")
    def delete(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "deleting")
        amending.delete(identity.user_id, ref)
        return no_content()

    @routes.post("/api/v1/messages/<message_id>/reactions")
    def react(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "reacting")
        wanted = read_body(_reaction)
        done = amending.react(identity.user_id, ref, wanted.emoji, wanted.remove)
        return answer({"reactions": done.reactions})

    @routes.get("/api/v1/messages/<message_id>/edits")
    def edits(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "reading earlier versions")
        return answer({"versions": amending.versions(identity.user_id, ref)})

    return routes
