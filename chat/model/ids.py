"""Ids from outside are checked here before they reach a key; message ids are made and read here."""

from __future__ import annotations

import re
import secrets
import string
from typing import NamedTuple

ID_PATTERN = r"[A-Za-z0-9_.-]{1,64}"
_ID = re.compile(ID_PATTERN, re.ASCII)
_EPOCH_ALPHABET = string.ascii_lowercase + string.digits
_EPOCH_LENGTH = 8  # 36**8 values: two epochs of one room never meet in practice


class MessageRef(NamedTuple):
    """What a message id says: the room, the number in the room, the epoch it was numbered under."""

    room_id: str
    seq: int
    epoch: str


def is_id(text: object) -> bool:
    """Tell whether `text` may be used as a user, room, device or temp id."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def new_epoch() -> str:
    """Return a fresh random epoch: 8 characters of a-z and 0-9."""
    return "".join(secrets.choice(_EPOCH_ALPHABET) for _ in range(_EPOCH_LENGTH))


def message_id(room_id: str, seq: int, epoch: str) -> str:
    """Return the opaque, URL-safe id of a message: room, seq and epoch, so it leads to its document.

    The epoch is in it so that a number given twice (Redis lost what the store had not yet) still
    names two different messages.
    """
    return f"{room_id}.{seq}.{epoch}"


def parse_message_id(text: str) -> MessageRef | None:
    """Return what a message id says, or None when it is not one of ours."""
    parts = text.rsplit(".", 2)
    if len(parts) != 3 or not is_id(parts[0]) or not parts[2].isalnum():
        return None
    if not parts[1].isascii() or not parts[1].isdigit() or len(parts[1]) > 15:
        return None
    return MessageRef(parts[0], int(parts[1]), parts[2])
