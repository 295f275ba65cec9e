"""After a call here returns, the message is changed in the store and its room was told, or nothing happened.

Before: a member asked to edit, delete or react. The store comes first, so what is answered is durable; then the
room's log and its members, in one step of the broker. A crash in between is made good by the sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chat.broker.base import DurableEvent
from chat.errors import (
    DocumentRefused,
    Forbidden,
    InvalidRequest,
    LimitReached,
    MessageDeleted,
    RequestError,
)
from chat.model.amendments import (
    EMOJI_LIMIT,
    REACTION_KINDS_LIMIT,
    REACTIONS_LIMIT,
    MessageState,
    Reactions,
    deleted,
    edited,
    reacted,
    state_of,
    with_reaction,
    without_reaction,
)
from chat.model.clock import now_ms, rfc3339
from chat.model.events import durable_message
from chat.model.ids import MessageRef, parse_message_id
from chat.services.edit_history import EditHistory, Version
from chat.services.message_telling import (
    DELETED,
    REACTION,
    UPDATED,
    Compose,
    MessageTelling,
    present_state,
    reaction,
)
from chat.services.stored_messages import Amended, StoredMessages

IsDue = Callable[[MessageState], bool]  # raises what forbids the change; False when it is made already
Change = Callable[[bytes, MessageState], bytes]


class Reacted(NamedTuple):
    """What a reaction did, `added`, `removed` or `none`, and all reactions that the message has now."""

    action: str
    reactions: Reactions


def ref_of(text: str) -> MessageRef:
    """Return what a message id says; raises InvalidRequest."""
    ref = parse_message_id(text)
    if ref is None:
        raise InvalidRequest("messageId is no message id; give the id of a message", field="messageId")
    return ref


@dataclass(frozen=True, slots=True)
class Amending:
    """Edits, deletions and reactions; the caller has checked that the user is in the room.

    Every method raises MessageNotFound, NotStoredYet, StoreUnavailable and BrokerUnavailable too.
    """

    messages: StoredMessages
    history: EditHistory
    telling: MessageTelling
    check_content: Callable[[str], None]
    is_moderator: Callable[[str, str], bool]  # of a room, a user
    on_deleted: Callable[[MessageRef], object] = lambda _ref: None

    def edit(self, user_id: str, ref: MessageRef, content: str) -> bytes:
        """Change what one's own message says; return it as clients see it.

        Raises: Forbidden, MessageDeleted, InvalidRequest, LimitReached.
        """
        self.check_content(content)

        def is_due(state: MessageState) -> bool:
            if state.sender_id != user_id:
                raise Forbidden("only its author can edit a message", field="messageId")
            _require_alive(state)
            return state.content != content

        def change(body: bytes, state: MessageState) -> bytes:
            self.history.keep(ref, state)
            return edited(body, content, rfc3339(now_ms()))

        return durable_message(self._amend(ref, UPDATED, is_due, change, present_state).body)

    def delete(self, user_id: str, ref: MessageRef) -> None:
        """Make a message a tombstone: its author may, and who moderates the room; doing it again changes nothing.

        Raises: Forbidden.
        """

        def is_due(state: MessageState) -> bool:
            if state.sender_id != user_id and not self.is_moderator(ref.room_id, user_id):
                raise Forbidden("only its author and the room's moderators can delete a message", field="messageId")
            return state.deleted_at is None

        def change(body: bytes, _state: MessageState) -> bytes:
            return deleted(body, rfc3339(now_ms()))

        self._amend(ref, DELETED, is_due, change, present_state)
        self.history.forget(ref)  # also after a repeat: the first time may have ended before this
        self.on_deleted(ref)

    def react(self, user_id: str, ref: MessageRef, emoji: str, remove: bool | None) -> Reacted:
        """Add a reaction, take it back, or, where `remove` is not said, whichever of the two changes something.

        Raises: MessageDeleted, InvalidRequest, LimitReached.
        """
        _check_emoji(emoji)
        done = "none"

        def is_due(state: MessageState) -> bool:
            nonlocal done
            _require_alive(state)
            is_there = user_id in state.reactions.get(emoji, ())
            done = "removed" if is_there else "added"
            if remove is not None and remove != is_there:
                done = "none"
            return done != "none"

        def change(body: bytes, state: MessageState) -> bytes:
            changed = (with_reaction if done == "added" else without_reaction)(state.reactions, emoji, user_id)
            _require_few(changed)
            return reacted(body, changed)

        def tell(_body: bytes, state: MessageState) -> DurableEvent:
            return reaction(state, emoji, user_id, done)

        amended = self._amend(ref, REACTION, is_due, change, tell)
        return Reacted(done, state_of(amended.body).reactions)

    def versions(self, user_id: str, ref: MessageRef) -> list[Version]:
        """Return what a message said before its edits, to its author and to the room's moderators.

        Raises: Forbidden.
        """
        state = state_of(self.messages.find(ref).body)
        if state.sender_id != user_id and not self.is_moderator(ref.room_id, user_id):
            raise Forbidden("earlier versions are for the author and the room's moderators", field="messageId")
        return [] if state.deleted_at else self.history.versions(ref)

    def _amend(self, ref: MessageRef, event: str, is_due: IsDue, change: Change, compose: Compose) -> Amended:
        document = self.messages.find(ref)
        if not is_due(state_of(document.body)):  # or it is refused, before anything is noted
            return Amended(document.body, False)
        intent = self.telling.intend(event, ref)
        try:
            amended = self.messages.amend(ref, lambda body, state: change(body, state) if is_due(state) else None)
        except (RequestError, DocumentRefused):
            self.telling.drop(intent)
            raise
        if amended.is_changed:
            self.telling.tell(intent, ref, compose)
        else:
            self.telling.drop(intent)
        return amended


def _require_alive(state: MessageState) -> None:
    if state.deleted_at is not None:
        raise MessageDeleted("the message was deleted", field="messageId")


def _check_emoji(emoji: str) -> None:
    if not 0 < len(emoji) <= EMOJI_LIMIT or not all(map(_is_seen, emoji)):
        raise InvalidRequest(f"emoji must be 1 to {EMOJI_LIMIT} characters, without spaces", field="emoji")


def _is_seen(character: str) -> bool:
    """Tell whether it may be part of an emoji: printable, or one of the invisible ones that join them."""
    is_joiner = character == "\u200d" or "\U000e0020" <= character <= "\U000e007f"
    return is_joiner or (character.isprintable() and not character.isspace())


def _require_few(reactions: Reactions) -> None:
    if len(reactions) > REACTION_KINDS_LIMIT:
        raise LimitReached(f"a message takes at most {REACTION_KINDS_LIMIT} different emoji", field="emoji")
    if sum(map(len, reactions.values())) > REACTIONS_LIMIT:
        raise LimitReached(f"a message takes at most {REACTIONS_LIMIT} reactions", field="emoji")
