"""What a notice says, in few enough bytes for its provider."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

from chat.push.base import Notice, NoticeKind

ELLIPSIS = "…"
UNNAMED_TITLE = "New message"  # where contents are left out: a notification without any text is not shown
JOINER = "\u200d"
SKIN_TONES = range(0x1F3FB, 0x1F400)
LONGEST_CHARACTER = 16  # code points of one character on the screen that are kept together

Encode = Callable[[str, str], bytes]


def facts_of(notice: Notice) -> dict[str, str | int]:
    """Return what the device needs to know besides the text; the same names with every provider."""
    return {
        "kind": str(notice.kind),
        "roomId": notice.room_id,
        "messageId": notice.message_id,
        "seq": notice.seq,
        "unread": notice.unread,
    }


def text_of(notice: Notice) -> dict[str, str]:
    """Return title and body, none for a notice that shows nothing."""
    if notice.kind is NoticeKind.CLEAR:
        return {}
    return {"title": notice.title or ("" if notice.body else UNNAMED_TITLE), "body": notice.body}


def dump(value: object) -> bytes:
    """Encode as JSON without waste."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def fitted(notice: Notice, encode: Encode, limit: int) -> bytes:
    """Return `encode(title, body)` in at most `limit` bytes: the body is shortened first, then the title."""
    text = text_of(notice)
    title, body = text.get("title", ""), text.get("body", "")
    if len(whole := encode(title, body)) <= limit:
        return whole
    if len(encode(title, "")) <= limit:
        return encode(title, _longest(body, lambda cut: len(encode(title, cut)) <= limit))
    return encode(_longest(title, lambda cut: len(encode(cut, "")) <= limit), "")


def _longest(text: str, fits: Callable[[str], bool]) -> str:
    least, most = 0, len(text)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(shortened(text, middle)) else (least, middle - 1)
    return shortened(text, least) if least else ""


def shortened(text: str, length: int) -> str:
    """Return about the first `length` code points and an ellipsis; no character is cut apart."""
    end = length
    while end and length - end < LONGEST_CHARACTER and _is_inside(text, end):
        end -= 1
    return text[:end].rstrip() + ELLIPSIS


def _is_inside(text: str, end: int) -> bool:
    """Whether a cut at `end` would part an accent, a skin tone or a joined emoji from what it belongs to."""
    if end >= len(text):
        return False
    following = text[end]
    is_mark = unicodedata.category(following).startswith("M") or ord(following) in SKIN_TONES
    return is_mark or following == JOINER or text[end - 1] == JOINER
