"""The JSON of the wire, both ways: a client's frame becomes a typed command or an error that names its field.

Decoding and checking are one pass of msgspec (about 1 µs). Only a frame that fails is looked at twice, to find
the `ack` and the field for its error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chat.errors import ChatError, InvalidRequest, RateLimited
from chat.model.ids import ID_PATTERN

Id = Annotated[str, Meta(pattern=rf"\A{ID_PATTERN}\Z")]
Ack = str | int | None
Maybe = UnsetType
PAGE_LIMIT = 200  # messages in one answer to get-messages
PRESENCE_LIMIT = 200  # users in one get-presence
ID_MEND = "must be 1 to 64 characters of A-Z a-z 0-9 _ . -"

T = TypeVar("T")


class Either(Generic[T]):
    """A member that has to be there, under any one of these names; errors speak of the first.

    The description of the events is made from it too.
    """

    __slots__ = ("_read", "names")

    def __init__(self, *names: str) -> None:
        self.names = names
        self._read: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)

    def __get__(self, data: Any, owner: type) -> T:
        for value in self._read(data):
            if value is not UNSET:
                found: T = value
                return found
        raise InvalidRequest(f"{self.names[0]} is missing; add it to data", field=self.names[0])


class Position(Struct, frozen=True, gc=False):
    """Up to where a client has seen a room's events."""

    epoch: Annotated[str, Meta(max_length=64)]
    offset: Annotated[int, Meta(ge=0, le=2**53)]


class JoinData(Struct, frozen=True, gc=False):
    roomIds: list[Id] | Maybe = UNSET  # noqa: N815
    room_ids: list[Id] | Maybe = UNSET
    since: dict[str, Position] | Maybe = UNSET

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
    before: Annotated[int, Meta(ge=0, le=2**53)] | Maybe | None = UNSET
    after: Annotated[int, Meta(ge=0, le=2**53)] | Maybe | None = UNSET
    limit: Annotated[int, Meta(ge=1, le=PAGE_LIMIT)] = 50

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
    after: Annotated[int, Meta(ge=0, le=2**53)] | Maybe | None = UNSET
    limit: Annotated[int, Meta(ge=1, le=PAGE_LIMIT)] = 50

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
    seq: Annotated[int, Meta(ge=0, le=2**53)] | Maybe | None = UNSET

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

_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_encoder = msgspec.json.Encoder()


class Refused(ChatError):
    """A frame that is no command: `cause` is what to tell, `event` and `ack` what could be read of it."""

    def __init__(self, cause: InvalidRequest, event: str | None, ack: Ack) -> None:
        super().__init__(cause.message, field=cause.field)
        self.cause = cause
        self.event = event
        self.ack = ack


def decode(payload: bytes) -> Command:
    """Return the command in a frame; raises Refused, which names the field and the mend."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise _refused(payload, exc) from None


def event_of(command: Command) -> str:
    """Return the name of a command's event."""
    return str(type(command).__struct_config__.tag)


def encode(value: Any) -> bytes:
    """Return any record, dict or list as JSON."""
    return _encoder.encode(value)


def event_frame(event: str, data: Any) -> bytes:
    """Return a server event."""
    return _encoder.encode({"event": event, "data": data})


def ack_frame(ack: Ack, result: Any) -> bytes:
    """Return the `ack` of a request that was done."""
    return _encoder.encode({"event": "ack", "data": {"ack": ack, "ok": True, "result": result}})


def refusal_frame(error: ChatError, event: str | None, ack: Ack) -> bytes:
    """Return the `ack` with `ok: false` when there is one to answer, otherwise the `error` event."""
    if ack is not None:
        return _encoder.encode({"event": "ack", "data": {"ack": ack, "ok": False, "error": error_body(error)}})
    return _encoder.encode({"event": "error", "data": {**error_body(error), "event": event}})


def error_body(error: ChatError) -> dict[str, Any]:
    """Return an error as clients see it; the cause of an internal one stays inside."""
    body: dict[str, Any] = {"code": error.code, "message": error.message, "field": error.field}
    if isinstance(error, RateLimited):
        body["retryAfter"] = round(error.retry_after_s, 3)
    return body


def message_failed_frame(temp_id: str, room_id: str, error: ChatError) -> bytes:
    """Return `message-failed` for a message that was not accepted; it may be sent again if `retryable`."""
    told = {"code": error.code, "message": error.message, "retryable": error.temporary}
    return event_frame("message-failed", {"tempId": temp_id, "roomId": room_id, "error": told})


def closing_frame(code: int, reason: str, *, after_ms: int = 0) -> bytes:
    """Return the last event before a close code of ours; those of the 45xx half say: do not come back."""
    return event_frame("closing", {"code": code, "reason": reason, "retry": code < 4500, "afterMs": after_ms})


class _Outline(Struct):
    event: Any = None
    ack: Any = None


_outline = msgspec.json.Decoder(_Outline)


def _refused(payload: bytes, exc: Exception) -> Refused:
    try:
        outline = _outline.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Refused(_unreadable(payload, exc), None, None)
    event = outline.event if isinstance(outline.event, str) and len(outline.event) <= 64 else None
    ack = outline.ack if isinstance(outline.ack, str | int) and not isinstance(outline.ack, bool) else None
    return Refused(_explained(str(exc), outline), event, ack)


def _unreadable(payload: bytes, exc: Exception) -> InvalidRequest:
    if isinstance(exc, RecursionError):
        return InvalidRequest("the frame is nested too deep; send a flat object", field="frame")
    if not payload.lstrip().startswith(b"{"):
        return InvalidRequest('the frame is no JSON object; send {"event": …, "data": {…}}', field="frame")
    return InvalidRequest(f"the frame is not valid JSON ({exc}); send one JSON object", field="frame")


def _explained(text: str, outline: _Outline) -> InvalidRequest:
    if not isinstance(outline.event, str):
        return InvalidRequest("event is missing or no string; name the event", field="event")
    if outline.event not in EVENTS:
        return InvalidRequest(f"unknown event; known are {', '.join(EVENTS)}", field="event")
    path = re.search(r"`\$\.?([^`]*)`$", text)
    names = (
        [name for name in re.split(r"[.\[\]]+", path[1]) if name and name != "..." and not name.isdigit()]
        if path
        else []
    )
    missing = re.search(r"missing required field `(\w+)`", text)
    field = missing[1] if missing else (names[1] if len(names) > 1 else (names[0] if names else "frame"))
    if missing:
        return InvalidRequest(f"{field} is missing; add it", field=field)
    if "matching regex" in text:
        return InvalidRequest(f"{field} {ID_MEND}", field=field)
    return InvalidRequest(f"{field}: {text.split(' - at ')[0]}", field=field)
