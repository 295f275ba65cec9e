"""What a client may send, as records: frames are decoded into them, and the description is made from them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct

from chat.protocol.fields import PRESENCE_LIMIT, Ack, Either, Id, Maybe, PageSize, Position, SeqBound


class JoinData(Struct, frozen=True, gc=False):
    roomIds: list[Id] | Maybe = UNSET  # noqa: N815
    room_ids: list[Id] | Maybe = UNSET
    since: dict[str, Position] | Maybe | None = UNSET

    rooms = Either[list[str]]("roomIds", "room_ids")


class LeaveData(Struct, frozen=True, gc=False):
    roomIds: list[Id] | Maybe = UNSET  # noqa: N815
    room_ids: list[Id] | Maybe = UNSET

    rooms = Either[list[str]]("roomIds", "room_ids")


class SendData(Struct, frozen=True, gc=False):
    content: str
    roomId: Id | Maybe = UNSET  # noqa: N815
    room_id: Id | Maybe = UNSET
    temp_id: Id | Maybe | None = UNSET
    tempId: Id | Maybe | None = UNSET  # noqa: N815
    reply_to: str | Maybe | None = UNSET
    replyTo: str | Maybe | None = UNSET  # noqa: N815
    attachments: list[dict[str, Any]] | Maybe | None = UNSET
    metadata: dict[str, Any] | Maybe | None = UNSET

    room = Either[str]("roomId", "room_id")


class GetMessagesData(Struct, frozen=True, gc=False):
    roomId: Id | Maybe = UNSET  # noqa: N815
    room_id: Id | Maybe = UNSET
    before: SeqBound | Maybe | None = UNSET
    after: SeqBound | Maybe | None = UNSET
    limit: PageSize = 50

    room = Either[str]("roomId", "room_id")


class GetFateData(Struct, frozen=True, gc=False):
    roomId: Id | Maybe = UNSET  # noqa: N815
    room_id: Id | Maybe = UNSET
    temp_ids: Annotated[list[Id], Meta(max_length=500)] | Maybe = UNSET
    tempIds: Annotated[list[Id], Meta(max_length=500)] | Maybe = UNSET  # noqa: N815

    room = Either[str]("roomId", "room_id")
    sent = Either[list[str]]("temp_ids", "tempIds")


class GetPresenceData(Struct, frozen=True, gc=False):
    userIds: Annotated[list[Id], Meta(max_length=PRESENCE_LIMIT)] | Maybe = UNSET  # noqa: N815
    user_ids: Annotated[list[Id], Meta(max_length=PRESENCE_LIMIT)] | Maybe = UNSET

    users = Either[list[str]]("userIds", "user_ids")


class EditData(Struct, frozen=True, gc=False):
    content: str
    messageId: str | Maybe = UNSET  # noqa: N815
    message_id: str | Maybe = UNSET

    message = Either[str]("messageId", "message_id")


class DeleteData(Struct, frozen=True, gc=False):
    messageId: str | Maybe = UNSET  # noqa: N815
    message_id: str | Maybe = UNSET

    message = Either[str]("messageId", "message_id")


class ReactData(Struct, frozen=True, gc=False):
    emoji: str
    messageId: str | Maybe = UNSET  # noqa: N815
    message_id: str | Maybe = UNSET
    remove: bool | Maybe | None = UNSET

    message = Either[str]("messageId", "message_id")


class GetRepliesData(Struct, frozen=True, gc=False):
    messageId: str | Maybe = UNSET  # noqa: N815
    message_id: str | Maybe = UNSET
    after: SeqBound | Maybe | None = UNSET
    limit: PageSize = 50

    message = Either[str]("messageId", "message_id")


class TypingData(Struct, frozen=True, gc=False):
    roomId: Id | Maybe = UNSET  # noqa: N815
    room_id: Id | Maybe = UNSET
    isTyping: bool | Maybe = UNSET  # noqa: N815
    is_typing: bool | Maybe = UNSET

    room = Either[str]("roomId", "room_id")
    is_on = Either[bool]("isTyping", "is_typing")


class MarkSeenData(Struct, frozen=True, gc=False):
    roomId: Id | Maybe = UNSET  # noqa: N815
    room_id: Id | Maybe = UNSET
    messageId: str | Maybe | None = UNSET  # noqa: N815
    message_id: str | Maybe | None = UNSET
    seq: SeqBound | Maybe | None = UNSET

    room = Either[str]("roomId", "room_id")
    place = Either[str | int | None]("messageId", "message_id", "seq")

    @property
    def message(self) -> str | None:
        return self.messageId or self.message_id or None

    @property
    def number(self) -> int | None:
        return self.seq if isinstance(self.seq, int) else None


class NoData(Struct, frozen=True, gc=False):
    """The event needs no data; whatever is in it is ignored."""


class AuthenticateData(Struct, frozen=True, gc=False):
    token: str

    def __repr__(self) -> str:
        return "AuthenticateData()"  # tracebacks and greenlets show their arguments in logs


class Authenticate(Struct, frozen=True, gc=False, tag_field="event", tag="authenticate"):
    """Say who one is, as the first frame; or go on under a fresh token."""

    data: AuthenticateData
    ack: Ack = None


class Join(Struct, frozen=True, gc=False, tag_field="event", tag="join-chat-rooms"):
    """Hear rooms from now on; with `since`, what was missed comes first."""

    data: JoinData
    ack: Ack = None


class Leave(Struct, frozen=True, gc=False, tag_field="event", tag="leave-chat-rooms"):
    """Hear rooms no more on this connection."""

    data: LeaveData
    ack: Ack = None


class Send(Struct, frozen=True, gc=False, tag_field="event", tag="send-chat-message"):
    """Send a message; the same `temp_id` is the same message, however often it is sent."""

    data: SendData
    ack: Ack = None


class GetMessages(Struct, frozen=True, gc=False, tag_field="event", tag="get-messages"):
    """Read a page of a room's messages."""

    data: GetMessagesData
    ack: Ack = None


class GetFate(Struct, frozen=True, gc=False, tag_field="event", tag="get-send-fate"):
    """Ask what became of messages that were sent before a connection was lost."""

    data: GetFateData
    ack: Ack = None


class GetPresence(Struct, frozen=True, gc=False, tag_field="event", tag="get-presence"):
    """Ask who of these users is online."""

    data: GetPresenceData
    ack: Ack = None


class Edit(Struct, frozen=True, gc=False, tag_field="event", tag="edit-chat-message"):
    """Change what one's own message says."""

    data: EditData
    ack: Ack = None


class Delete(Struct, frozen=True, gc=False, tag_field="event", tag="delete-chat-message"):
    """Make a message a tombstone: its author may, and the room's moderators."""

    data: DeleteData
    ack: Ack = None


class React(Struct, frozen=True, gc=False, tag_field="event", tag="react-chat-message"):
    """Add a reaction or take it back; without `remove`, whichever changes something."""

    data: ReactData
    ack: Ack = None


class GetReplies(Struct, frozen=True, gc=False, tag_field="event", tag="get-replies"):
    """Read a page of the replies to a message."""

    data: GetRepliesData
    ack: Ack = None


class Typing(Struct, frozen=True, gc=False, tag_field="event", tag="chat-typing"):
    """Say that one types, every second or two, or stopped."""

    data: TypingData
    ack: Ack = None


class MarkSeen(Struct, frozen=True, gc=False, tag_field="event", tag="mark-messages-seen"):
    """Say that all up to one message are seen, named by its id or its seq."""

    data: MarkSeenData
    ack: Ack = None


class GetUnread(Struct, frozen=True, gc=False, tag_field="event", tag="get-unread-counts"):
    """Ask how many messages are unread, in all and by room."""

    data: NoData = NoData()
    ack: Ack = None


class Heartbeat(Struct, frozen=True, gc=False, tag_field="event", tag="heartbeat"):
    """Stay online; answered with the event `heartbeat`, besides the ack."""

    data: NoData = NoData()
    ack: Ack = None


Amend = Edit | Delete | React
Ask = GetMessages | GetReplies | GetFate | GetPresence | GetUnread
Command = Authenticate | Join | Leave | Send | Amend | Ask | Typing | MarkSeen | Heartbeat
EVENTS = tuple(sorted(str(each.__struct_config__.tag) for each in Command.__args__))
