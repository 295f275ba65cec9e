"""What an edit, deletion, reaction or reply makes of a stored message: a body in, the next revision's body out.

Every amendment raises `revision` by one, so of two states of a message it is plain which one is later. Members that
it does not touch stay byte for byte as they are.
"""

from __future__ import annotations

import msgspec

from chat.model.threads import Thread

REACTION_KINDS_LIMIT = 20  # different emoji on one message
REACTIONS_LIMIT = 500  # in all on one message: every reaction event names everybody, so it has to stay small
EMOJI_LIMIT = 32  # characters: the longest emoji of Unicode 16 is a sequence of 10, and shortcodes are words

Reactions = dict[str, list[str]]


class MessageState(msgspec.Struct, frozen=True):
    """The parts of a stored message that decide what may be done with it."""

    id: str
    seq: int
    room_id: str
    sender_id: str
    content: str
    created_at: str = ""
    edited_at: str | None = None
    deleted_at: str | None = None
    reactions: Reactions = {}
    revision: int = 0
    reply_to: str | None = None
    reply_count: int = 0
    last_reply_at: str | None = None


_state = msgspec.json.Decoder(MessageState)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def state_of(body: bytes) -> MessageState:
    """Return the state of a stored message."""
    return _state.decode(body)


def edited(body: bytes, content: str, at: str) -> bytes:
    """Return the message with another content."""
    return _amended(body, content=content, edited_at=at)


def deleted(body: bytes, at: str) -> bytes:
    """Return the tombstone: who, when and where stay, what was said does not."""
    return _amended(body, content="", attachments=[], metadata={}, reactions={}, deleted_at=at)


def reacted(body: bytes, reactions: Reactions) -> bytes:
    """Return the message with these reactions."""
    return _amended(body, reactions=reactions)


def with_thread(body: bytes, thread: Thread) -> bytes:
    """Return the message with what is shown of its replies."""
    return _amended(body, reply_count=thread.reply_count, last_reply_at=thread.last_reply_at)


def with_reaction(reactions: Reactions, emoji: str, user_id: str) -> Reactions:
    """Return the reactions with one more, behind those that were there."""
    return {**reactions, emoji: [*reactions.get(emoji, ()), user_id]}


def without_reaction(reactions: Reactions, emoji: str, user_id: str) -> Reactions:
    """Return the reactions without one; an emoji that nobody gives any more is gone."""
    rest = [each for each in reactions.get(emoji, ()) if each != user_id]
    kept = {**reactions, emoji: rest}
    return kept if rest else {name: users for name, users in kept.items() if name != emoji}


def _amended(body: bytes, **changed: object) -> bytes:
    members: dict[str, object] = dict(_members.decode(body))
    return msgspec.json.encode(members | changed | {"revision": _state.decode(body).revision + 1})
