"""What the answers of APNs mean.

Source: developer.apple.com, "Handling notification responses from APNs".
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from chat.push.base import Delivered, Gone, Later, Paused, Refused, Result
from chat.push.retry_after import retry_after_s
from chat.push.transport import Answer

OUTAGE_WAIT_S = 900.0  # "after 15 minutes, you can retry" what got a 5xx
REASON = re.compile(r"[A-Za-z]{1,64}")
BAD_DEVICE = {"BadDeviceToken", "DeviceTokenNotForTopic"}
BAD_SETTING = {"BadTopic", "MissingTopic", "TopicDisallowed", "BadCertificate", "BadCertificateEnvironment"}


def judge(answer: Answer, refreshed_at: str, now_s: float) -> Result:
    """Return what became of a notice.

    `refreshed_at` is when the device was last registered (RFC 3339), `now_s` the time since the epoch.
    """
    status = answer.status
    if 200 <= status < 300:
        return Delivered()
    told, ended_ms = read_body(answer.body)
    reason = f"{status} {told}".strip()
    if status == 410:
        return _judge_gone(reason, ended_ms, refreshed_at)
    if told in BAD_DEVICE:
        return Gone(reason)
    if told in BAD_SETTING or status in (401, 403) or 300 <= status < 400:
        return Paused(reason)
    if status in (408, 429) or told == "IdleTimeout":
        return Later(reason, retry_after_s(answer.headers, now_s))
    if status >= 500:
        waits_s = retry_after_s(answer.headers, now_s)
        return Later(reason, OUTAGE_WAIT_S if waits_s is None else waits_s)
    return Refused(reason)


def read_body(body: bytes) -> tuple[str, float | None]:
    """Return the reason and, since when a device token is no more, milliseconds since the epoch."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(told, dict):
        return "", None
    reason, ended_ms = told.get("reason"), told.get("timestamp")
    is_reason = isinstance(reason, str) and REASON.fullmatch(reason)
    is_time = isinstance(ended_ms, int | float) and not isinstance(ended_ms, bool)
    return str(reason) if is_reason else "", float(ended_ms) if is_time and ended_ms is not None else None


def _judge_gone(reason: str, ended_ms: float | None, refreshed_at: str) -> Result:
    """A device that was registered again after its token had ended is alive: only the notice is lost."""
    if ended_ms is not None and ended_ms <= _ms(refreshed_at):
        return Refused(f"{reason} before it was registered again")
    return Gone(reason)


def _ms(when: str) -> float:
    read = datetime.fromisoformat(when)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000
