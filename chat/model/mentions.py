"""Who is named in a message: read from what it says and from its metadata, and where the store keeps it."""

from __future__ import annotations

import re

import msgspec

from chat.model.ids import is_id

MENTIONS_LIMIT = 50  # users named by one message
BLOCK = 1000  # numbers whose mentions one document names: 50 users of 64 characters each make 3.4 MB
# An id's character or another @ before it makes it a part of something else: an address of mail, mostly.
_NAMED = re.compile(r"(?<![A-Za-z0-9_.@-])@([A-Za-z0-9_.-]+)", re.ASCII)


class MentionsRecord(msgspec.Struct, frozen=True):
    """The document of kind `mentions`, under `ROOM:BLOCK`: whom each number names, and numbers deleted since."""

    seqs: dict[str, list[str]] = {}
    gone: dict[str, int] = {}


def mentions_key(room_id: str, seq: int) -> str:
    """Return the key of the document that tells who is named by a number."""
    return f"{room_id}:{seq // BLOCK:08d}"


def named_in(content: str) -> list[str]:
    """Return the users that a text names as `@userId`, each once; a full stop or hyphen at the end ends it."""
    words = (word.rstrip(".-") for word in _NAMED.findall(content))
    return list(dict.fromkeys(word for word in words if is_id(word)))
