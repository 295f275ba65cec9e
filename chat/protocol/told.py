"""What the server tells, as records: the AsyncAPI document is made from them, and tests hold every frame to them.

The frames themselves are composed elsewhere, the frequent ones as bytes (`chat.model.events` and the Lua scripts);
nothing is encoded from these records on the way to a client.
"""

# ruff: noqa: N815 - the members have the names of the wire
from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chat.model.room import Role, RoomType

Time = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", description="RFC 3339, UTC")]
Offset = Annotated[int, Meta(ge=1, description="place in the room's log of durable events")]
Seq = Annotated[int, Meta(ge=1, description="number of the message in its room")]
Revision = Annotated[int, Meta(ge=1, description="counts edits, reactions and the deletion")]
Reactions = dict[str, list[str]]


class Message(Struct, frozen=True, forbid_unknown_fields=True, rename={"is_temp": "_temp"}):
    """A message; `_temp` until it is durable."""

    id: str
    room_id: str
    seq: Seq
    sender_id: str
    sender_name: str
    content: str
    temp_id: str
    created_at: Time
    reply_to: str | None
    attachments: list[dict[str, Any]]
    metadata: dict[str, Any]
    edited_at: Time | None
    deleted_at: Time | None
    reactions: Reactions
    is_temp: bool
    revision: Revision | UnsetType = UNSET
    reply_count: Annotated[int, Meta(ge=0, description="once there was a reply")] | UnsetType = UNSET
    last_reply_at: Time | UnsetType | None = UNSET
    offset: Offset | UnsetType = UNSET
    confirm_by: Time | UnsetType = UNSET


class RoomMember(Struct, frozen=True, forbid_unknown_fields=True):
    """A user in a room, and what the user may do there."""

    user_id: str
    role: Role


class Room(Struct, frozen=True, forbid_unknown_fields=True):
    """A room with its first members, or with those that an event is about."""

    id: str
    type: RoomType
    name: str | None
    created_at: Time
    member_count: Annotated[int, Meta(ge=0)]
    members: list[RoomMember]


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a message was not kept; `retryable`: it may be sent again under its temp id."""

    code: str
    message: str
    retryable: bool


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a request was not done; `field` names what to mend, `retryAfter` is in seconds."""

    code: str
    message: str
    field: str | None
    retryAfter: float | UnsetType = UNSET


class WelcomeData(Struct, frozen=True, forbid_unknown_fields=True):
    connectionId: str
    userId: str
    heartbeatSeconds: float
    limits: dict[str, int]
    serverTime: Time


class Welcome(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="welcome"):
    """The first event of a connection."""

    data: WelcomeData


class AckData(Struct, frozen=True, forbid_unknown_fields=True):
    ack: str | int
    ok: bool
    result: Any | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class Ack(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="ack"):
    """The answer to a request that had an `ack`: its `result`, or its `error`."""

    data: AckData


class NewChatMessage(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="new-chat-message"):
    """A message was accepted: shown at once, and durable when `_temp` is false."""

    data: Message


class MessageConfirmedData(Struct, frozen=True, forbid_unknown_fields=True):
    tempId: str
    realId: str
    message: Message


class MessageConfirmed(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="message-confirmed"):
    """To every connection of the sender: the message is durable."""

    data: MessageConfirmedData


class MessagesConfirmedData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    seqs: list[Seq]


class MessagesConfirmed(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="messages-confirmed"
):
    """To the rest of the room: these messages are durable."""

    data: MessagesConfirmedData


class MessageFailedData(Struct, frozen=True, forbid_unknown_fields=True):
    tempId: str
    roomId: str
    error: Failure


class MessageFailed(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="message-failed"):
    """To the sender: the message is not kept."""

    data: MessageFailedData


class MessageRetractedData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    messageId: str
    seq: Seq
    offset: Offset | UnsetType = UNSET


class MessageRetracted(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="message-retracted"):
    """To the rest of the room: a message that was shown is not kept."""

    data: MessageRetractedData


class MessageUpdatedData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    messageId: str
    revision: Revision
    message: Message
    offset: Offset


class MessageUpdated(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="message-updated"):
    """A message was edited, or its thread has changed; `message` is what it is now."""

    data: MessageUpdatedData


class MessageDeletedEventData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    messageId: str
    revision: Revision
    seq: Seq
    deletedAt: Time
    offset: Offset


class MessageDeletedEvent(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="message-deleted"
):
    """A message was deleted; its number stays, as a tombstone."""

    data: MessageDeletedEventData


class MessageReactionData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    messageId: str
    revision: Revision
    emoji: str
    userId: str
    action: Literal["added", "removed"]
    reactions: Reactions
    offset: Offset


class MessageReaction(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="message-reaction"):
    """A reaction came or went; `reactions` are all that the message has now."""

    data: MessageReactionData


class MessagesSeenData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    userId: str
    upToSeq: Seq
    messageIds: list[str]
    seenAt: Time


class MessagesSeen(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="messages-seen"):
    """Somebody has seen all up to `upToSeq`; `messageIds` names the newest of the newly seen."""

    data: MessagesSeenData


class ChatUserTypingData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    userId: str
    userName: str
    isTyping: bool
    timestamp: Time


class ChatUserTyping(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="chat-user-typing"):
    """Somebody is typing, or stopped."""

    data: ChatUserTypingData


class UserStatusData(Struct, frozen=True, forbid_unknown_fields=True):
    userId: str
    isOnline: bool
    lastSeen: Time | None
    userName: str | None
    roomIds: list[str]
    inRoom: bool


class UserStatus(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="user-status"):
    """Somebody who shares `roomIds` came online or went offline; `inRoom`: is there now."""

    data: UserStatusData


class UnreadCountsData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    unread: int
    total: int


class UnreadCounts(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="unread-counts"):
    """What is unread for this user now."""

    data: UnreadCountsData


class RoomUpdatedData(Struct, frozen=True, forbid_unknown_fields=True):
    roomId: str
    change: str
    room: Room | None
    userId: str | UnsetType = UNSET
    messageId: str | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET


class RoomUpdated(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="room-updated"):
    """The room, its members, their roles or the pins changed; `room` is what it is now."""

    data: RoomUpdatedData


class ServerLeavingData(Struct, frozen=True, forbid_unknown_fields=True):
    reconnectInMs: int


class ServerLeaving(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="server-leaving"):
    """A planned stop: come back after `reconnectInMs`."""

    data: ServerLeavingData


class AuthExpiringData(Struct, frozen=True, forbid_unknown_fields=True):
    expiresAt: Time
    expiresInMs: int


class AuthExpiring(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="auth-expiring"):
    """The token ends soon: send `authenticate` with a fresh one."""

    data: AuthExpiringData


class ClosingData(Struct, frozen=True, forbid_unknown_fields=True):
    code: int
    reason: str
    retry: bool
    afterMs: int


class Closing(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="closing"):
    """The last event before a close code of the server's own."""

    data: ClosingData


class HeartbeatAnswerData(Struct, frozen=True, forbid_unknown_fields=True):
    serverTime: Time


class HeartbeatAnswer(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="heartbeat"):
    """The answer to a heartbeat."""

    data: HeartbeatAnswerData


class ErrorData(Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    message: str
    field: str | None
    event: str | None
    retryAfter: float | UnsetType = UNSET


class Error(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="error"):
    """A request without an `ack` was not done."""

    data: ErrorData


Event = (
    Welcome
    | Ack
    | NewChatMessage
    | MessageConfirmed
    | MessagesConfirmed
    | MessageFailed
    | MessageRetracted
    | MessageUpdated
    | MessageDeletedEvent
    | MessageReaction
    | MessagesSeen
    | ChatUserTyping
    | UserStatus
    | UnreadCounts
    | RoomUpdated
    | ServerLeaving
    | AuthExpiring
    | Closing
    | HeartbeatAnswer
    | Error
)
