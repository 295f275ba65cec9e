"""How long a provider asks us to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_S = 86_400.0  # a provider that asks for more has its clock wrong


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds that Retry-After tells, as a number or as a date (RFC 9110 section 10.2.3).

    `now_s` is the time since the epoch. None: no such header, or none that can be read.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), LONGEST_S)
    try:
        at = parsedate_to_datetime(text)
        left_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_s  # asctime's form names no zone
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(left_s, 0.0), LONGEST_S)
