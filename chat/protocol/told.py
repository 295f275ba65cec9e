"""What the server tells, as records: the AsyncAPI document is made from them, and tests hold every frame to them.

The frames themselves are composed elsewhere, the frequent ones as bytes (`chat.model.events` and the Lua scripts);
nothing is encoded from these records on the way to a client.
"""

# ruff: noqa: N815 - the members have the names of the wire
from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from chat.protocol.connection_events import (
    Ack,
    AuthExpiring,
    Closing,
    Error,
    HeartbeatAnswer,
    ServerLeaving,
    Welcome,
)
from chat.protocol.shapes import Failure, Message, Offset, Reactions, Revision, Room, Seq, Time


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
