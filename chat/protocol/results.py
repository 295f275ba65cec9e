"""What the ack of each command tells, as records: made into descriptions, and what tests hold answers to."""

# ruff: noqa: N815 - the members have the names of the wire
from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from chat.protocol import commands
from chat.protocol.shapes import Failure, Fault, Message, Reactions, Seq, Time

R = TypeVar("R")
Count = Annotated[int, Meta(ge=0)]


class Done(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is left to tell."""


class Authenticated(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose connection this is, and until when."""

    userId: str
    expiresAt: Time | None


class JoinedRoom(Struct, frozen=True, forbid_unknown_fields=True):
    """Where one stands in a room, and who is online there."""

    epoch: str
    offset: Count
    last_seq: Count
    recovered: bool
    read_seq: Count
    unread: Count
    online: list[str]
    online_names: dict[str, str]
    online_count: Count


class Joined(Struct, frozen=True, forbid_unknown_fields=True):
    """The rooms that were joined, by id."""

    rooms: dict[str, JoinedRoom]


class Left(Struct, frozen=True, forbid_unknown_fields=True):
    """The rooms that were left."""

    roomIds: list[str]


class Sent(Struct, frozen=True, forbid_unknown_fields=True):
    """A message that was accepted, or the state of the first one under its temp id."""

    tempId: str
    id: str
    seq: Seq
    state: Literal["pending", "confirmed", "failed"]
    error: Failure | UnsetType = UNSET


class Edited(Struct, frozen=True, forbid_unknown_fields=True):
    """The message as it is now."""

    message: Message


class Deleted(Struct, frozen=True, forbid_unknown_fields=True):
    """The message that is deleted."""

    messageId: str


class Reacted(Struct, frozen=True, forbid_unknown_fields=True):
    """What was done, `none` when it was so already, and all reactions of the message now."""

    action: Literal["added", "removed", "none"]
    reactions: Reactions


class Messages(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of a room's messages, by ascending seq."""

    messages: list[Message]
    has_more: bool


class Fate(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a message; `unknown`: nothing was accepted under its temp id."""

    state: Literal["confirmed", "pending", "failed", "unknown"]
    id: str | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET
    error: Failure | UnsetType = UNSET


class Fates(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of messages, by temp id."""

    fates: dict[str, Fate]


class Presence(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a user is online, and since when not."""

    isOnline: bool
    lastSeen: Time | None


class Presences(Struct, frozen=True, forbid_unknown_fields=True):
    """The presence of users, by id; those with whom one shares no room are offline."""

    users: dict[str, Presence]


class Unread(Struct, frozen=True, forbid_unknown_fields=True):
    """Unread messages, in all and by room, and how many of them name one."""

    total: Count
    rooms: dict[str, Count]
    mentions: dict[str, Count]
    totalMentions: Count


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to where one has seen a room, and what is unread there."""

    roomId: str
    read_seq: Count
    unread: Count


class Beaten(Struct, frozen=True, forbid_unknown_fields=True):
    """The server's time."""

    serverTime: Time


class AnswerData(Struct, Generic[R], frozen=True, forbid_unknown_fields=True):
    ack: str | int
    ok: Annotated[bool, Meta(extra_json_schema={"const": True})]
    result: R


class Answer(Struct, Generic[R], frozen=True, forbid_unknown_fields=True, tag_field="event", tag="ack"):
    """The request was done."""

    data: AnswerData[R]


class RefusalData(Struct, frozen=True, forbid_unknown_fields=True):
    ack: str | int
    ok: Annotated[bool, Meta(extra_json_schema={"const": False})]
    error: Fault


class Refusal(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="ack"):
    """The request was not done."""

    data: RefusalData


RESULTS: dict[type[Struct], type[Struct]] = {
    commands.Authenticate: Authenticated,
    commands.Join: Joined,
    commands.Leave: Left,
    commands.Send: Sent,
    commands.Edit: Edited,
    commands.Delete: Deleted,
    commands.React: Reacted,
    commands.GetMessages: Messages,
    commands.GetReplies: Messages,
    commands.GetFate: Fates,
    commands.GetPresence: Presences,
    commands.Typing: Done,
    commands.MarkSeen: Seen,
    commands.GetUnread: Unread,
    commands.Heartbeat: Beaten,
}
