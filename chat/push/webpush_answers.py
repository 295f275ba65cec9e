"""What the answers of Web Push services mean (RFC 8030, and what the four large ones say besides)."""

from __future__ import annotations

from chat.push.base import Delivered, Gone, Later, Paused, Refused, Result
from chat.push.retry_after import retry_after_s
from chat.push.transport import Answer

# A subscription that was made with another key than ours. It says nothing about our key, and a user could register
# one on purpose: it must not stop the pushes to everybody else.
MISMATCHES = (
    b"do not correspond to the credentials used to create",  # Google, 403
    b"does not correspond to the sender ID",  # Google's older words, 403
    b"VAPID public key mismatch",  # Mozilla, 401
    b"VapidPkHashMismatch",  # Apple, 400
)
THROTTLED = 406  # Microsoft's word for 429


def judge(answer: Answer, now_s: float) -> Result:
    """Return what became of a notice; `now_s` is the time since the epoch."""
    status = answer.status
    reason = str(status)
    if 200 <= status < 300:
        return Delivered()
    if status in (404, 410):
        return Gone(reason)
    if status in (400, 401, 403) and any(words in answer.body for words in MISMATCHES):
        return Refused(f"{reason} subscribed with another VAPID key")
    if status in (401, 403):
        return Paused(f"{reason} VAPID refused")
    if status in (408, 429, THROTTLED) or status >= 500:
        return Later(reason, retry_after_s(answer.headers, now_s))
    return Refused(f"{reason} redirect" if 300 <= status < 400 else reason)
