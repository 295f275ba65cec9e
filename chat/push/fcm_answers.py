"""What the answers of FCM's HTTP v1 and of Google's token endpoint mean.

Source: firebase.google.com/docs/cloud-messaging/error-codes and /scale-fcm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chat.push.base import Delivered, Gone, Later, Paused, Refused, Result
from chat.push.retry_after import retry_after_s
from chat.push.transport import Answer

QUOTA_WAIT_S = 60.0  # what FCM wants after a 429 without Retry-After
TOKEN_FIELD = "message.token"
TOKEN_WORDS = "registration token"
CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
OAUTH_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as HTTP v1 tells it."""

    code: str  # FCM's own where there is one, otherwise the general status
    names_token: bool


def judge(answer: Answer, now_s: float) -> Result:
    """Return what became of a notice; `now_s` is the time since the epoch."""
    status = answer.status
    if 200 <= status < 300:
        return Delivered()
    fault = read_fault(answer.body)
    reason = f"{status} {fault.code}".strip()
    if fault.code in ("UNREGISTERED", "SENDER_ID_MISMATCH") and status in (403, 404):
        return Gone(reason)
    if status == 400:
        return Gone(f"{reason} token") if fault.names_token else Refused(reason)
    if status == 429:
        waits_s = retry_after_s(answer.headers, now_s)
        return Later(reason, QUOTA_WAIT_S if waits_s is None else waits_s)
    if status == 408 or status >= 500:
        return Later(reason, retry_after_s(answer.headers, now_s))
    if status == 413:
        return Refused(reason)
    return Paused(reason)  # 401, 403, a project that is not there, a redirect: the account or the address is wrong


def judge_grant(answer: Answer, now_s: float) -> Result:
    """Return what an answer of the token endpoint means that has no token in it."""
    told = _object(answer.body).get("error")
    code = told if isinstance(told, str) and OAUTH_CODE.fullmatch(told) else ""
    reason = f"oauth {answer.status} {code}".strip()
    if answer.status in (200, 408, 429) or answer.status >= 500:
        return Later(reason, retry_after_s(answer.headers, now_s))
    return Paused(reason)


def read_fault(body: bytes) -> Fault:
    """Return the error that a body tells; an empty code where it tells none."""
    error = _object(body).get("error")
    if not isinstance(error, dict):
        return Fault("", False)
    details = [each for each in _list(error.get("details")) if isinstance(each, dict)]
    codes = [each.get("errorCode") for each in details] + [error.get("status")]
    code = next((each for each in codes if isinstance(each, str) and CODE.fullmatch(each)), "")
    # the fields decide where there are any: the words are for people, and may quote what was sent
    fields = list(_violated(details))
    is_named = TOKEN_FIELD in fields if fields else TOKEN_WORDS in str(error.get("message", "")).lower()
    return Fault(code, is_named)


def _violated(details: list[dict[str, Any]]) -> Iterator[object]:
    for detail in details:
        for violation in _list(detail.get("fieldViolations")):
            if isinstance(violation, dict):
                yield violation.get("field")


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
