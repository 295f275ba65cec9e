"""A room's messages over HTTP: read a page, send, edit, delete, react, and see what an edited one said before."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response

from chat.gateway.identity import Identity
from chat.gateway.posting import Posting
from chat.gateway.rest.bodies import answer, checked_id, no_content, read_body, who
from chat.gateway.rest.operations import Operation
from chat.gateway.rest.queries import read_query
from chat.model.ids import MessageRef
from chat.protocol.fields import Id, PageSize
from chat.protocol.results import Messages, Sent
from chat.protocol.shapes import Message, Reactions, Time
from chat.services.amending import Amending, ref_of
from chat.services.drafting import Outgoing
from chat.services.history import History
from chat.services.membership import Membership

ROOM_MESSAGES, MESSAGE = "/api/v1/rooms/<room_id>/messages", "/api/v1/messages/<message_id>"

SeqBound = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class MessagesQuery(msgspec.Struct, frozen=True):
    """Which messages: before or after a seq, the newest without either."""

    before: SeqBound | None = None
    after: SeqBound | None = None
    limit: PageSize = 50


class NewMessage(msgspec.Struct, frozen=True):
    """A message to send."""

    content: str
    temp_id: Id | None = None
    reply_to: str | None = None
    attachments: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None


class Edit(msgspec.Struct, frozen=True):
    """What a message is to say."""

    content: str


class Reaction(msgspec.Struct, frozen=True):
    """A reaction: added, taken back with `remove`, or whichever changes something where that is not said."""

    emoji: str
    remove: bool | None = None


class AllReactions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All reactions of a message: who reacted, by emoji."""

    reactions: Reactions


class EarlierVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a message said from `since` until its next edit."""

    content: str
    since: Time


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a message said before each of its edits, oldest first."""

    versions: list[EarlierVersion]


PAGE = Operation(
    "GET",
    ROOM_MESSAGES,
    "listMessages",
    "A page of a room's messages, by ascending seq",
    {200: Messages},
    query=MessagesQuery,
    refusals=(403, 404),
)
SEND = Operation(
    "POST",
    ROOM_MESSAGES,
    "sendMessage",
    "Send a message; the same temp_id is the same message",
    {201: Sent},
    body=NewMessage,
    refusals=(403, 404, 409),
)
EDIT = Operation(
    "PATCH",
    MESSAGE,
    "editMessage",
    "Change what one's own message says",
    {200: Message},
    body=Edit,
    refusals=(403, 404, 409),
)
DELETE = Operation(
    "DELETE", MESSAGE, "deleteMessage", "Make a message a tombstone", {204: None}, refusals=(403, 404, 409)
)
REACT = Operation(
    "POST",
    f"{MESSAGE}/reactions",
    "reactToMessage",
    "Add a reaction or take it back",
    {200: AllReactions},
    body=Reaction,
    refusals=(403, 404, 409),
)
EDITS = Operation(
    "GET",
    f"{MESSAGE}/edits",
    "listEdits",
    "What a message said before its edits, for its author and moderators",
    {200: Versions},
    refusals=(403, 404, 409),
)


def blueprint(membership: Membership, history: History, posting: Posting, amending: Amending) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("messages", __name__)

    def enter(room_id: str, deed: str, *, makes_room: bool = False) -> Identity:
        """Return who asks, when it is a member of the room."""
        identity = who(deed)
        membership.require(checked_id(room_id, "roomId"), identity.user_id, makes_room=makes_room)
        return identity

    def enter_by(message_id: str, deed: str) -> tuple[Identity, MessageRef]:
        who(deed)
        ref = ref_of(message_id)
        return enter(ref.room_id, deed), ref

    @PAGE.on(routes)
    def page(room_id: str) -> Response:
        enter(room_id, "reading messages")
        asked = read_query(MessagesQuery)
        found = history.page(room_id, asked.limit, before=asked.before, after=asked.after)
        enter(room_id, "reading messages")  # who was removed while it was read gets nothing more
        return answer({"messages": [msgspec.Raw(each) for each in found.messages], "has_more": found.has_more})

    @SEND.on(routes)
    def send(room_id: str) -> Response:
        identity = enter(room_id, "sending", makes_room=True)
        sent = read_body(NewMessage)
        outgoing = Outgoing(room_id, sent.content, sent.temp_id, sent.reply_to, sent.attachments, sent.metadata)
        return answer(posting.post(identity, outgoing), 201)

    @EDIT.on(routes)
    def edit(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "editing")
        edited = amending.edit(identity.user_id, ref, read_body(Edit).content)
        return Response(edited, mimetype="application/json")

    @DELETE.on(routes)
    def delete(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "deleting")
        amending.delete(identity.user_id, ref)
        return no_content()

    @REACT.on(routes)
    def react(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "reacting")
        wanted = read_body(Reaction)
        done = amending.react(identity.user_id, ref, wanted.emoji, wanted.remove)
        return answer(AllReactions(done.reactions))

    @EDITS.on(routes)
    def edits(message_id: str) -> Response:
        identity, ref = enter_by(message_id, "reading earlier versions")
        found = amending.versions(identity.user_id, ref)
        enter(ref.room_id, "reading earlier versions")  # as above
        return answer(Versions([EarlierVersion(each.content, each.since) for each in found]))

    return routes
