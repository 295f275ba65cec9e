"""Attachments are references: the bytes lie elsewhere, and what is said about them here has been checked.

An attachment names where its file is (`url`, or an `id` that the app understands) and may describe it. Other
members are the app's own and pass as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from chat.errors import InvalidRequest

URL_LIMIT = 2048  # characters; what every browser takes
SIDE_LIMIT = 100_000  # pixels

Url = Annotated[str, Meta(min_length=1, max_length=URL_LIMIT)]
Side = Annotated[int, Meta(ge=1, le=SIDE_LIMIT)]


class Attachment(msgspec.Struct, frozen=True):
    """What may be said of an attached file; sizes in bytes and pixels, `duration` in seconds."""

    url: Url | None = None
    id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    type: Annotated[str, Meta(max_length=127, pattern=r"\A[\w.+-]+/[\w.+-]+\Z")] | None = None
    size: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    width: Side | None = None
    height: Side | None = None
    duration: Annotated[float, Meta(ge=0, le=10**7)] | None = None
    thumbnail_url: Url | None = None


def check_attachments(attachments: Sequence[dict[str, Any]]) -> None:
    """Return when every one can be taken; raises InvalidRequest, which names the member and the mend."""
    for number, each in enumerate(attachments):
        where = f"attachments[{number}]"
        attachment = _read(where, each)
        if attachment.url is None and attachment.id is None:
            raise _refused(where, "says not where the file is; give its url or id")
        for name in ("url", "thumbnail_url"):
            if (url := getattr(attachment, name)) is not None and not _is_web_address(url):
                raise _refused(f"{where}.{name}", "must be an http or https address")


def _read(where: str, members: dict[str, Any]) -> Attachment:
    try:
        return msgspec.convert(members, Attachment)
    except msgspec.ValidationError as exc:
        text, _, path = str(exc).partition(" - at ")
        mend = "must be a media type like image/png" if "matching regex" in text else text
        raise _refused(where + path.strip("`").removeprefix("$"), mend) from None


def _is_web_address(url: str) -> bool:
    """Tell whether a browser would fetch it, and nothing else would happen: no script, no file."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        return False


def _refused(where: str, mend: str) -> InvalidRequest:
    return InvalidRequest(f"{where} {mend}", field="attachments")
