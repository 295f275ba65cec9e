"""When a failed push is tried again, and when no more."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from chat.model.push import Claimed
from chat.push.base import Later

TRIES = 6
RETRY_FOR_S = 3600  # after the first try
LONGEST_S = 900.0  # between two tries, unless the provider wants more
SPREAD = 0.1  # of what a provider asks for: what it refused at one moment does not come back at one moment
_UNANSWERED = ("closed", "timeout")  # of a request that was sent (chat/push/transport.py)
_STATUS = re.compile(r"\b[1-9][0-9]{2}\b")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast; the least pause is what FCM asks for."""

    least_s: float = 10.0
    longest_s: float = LONGEST_S
    tries: int = TRIES
    for_s: float = RETRY_FOR_S

    def wait_s(self, claimed: Claimed, later: Later, now: int) -> float | None:
        """Return how long to wait before the next try, None when there is to be none.

        It is never sooner than the provider asks for; otherwise full jitter under a limit that doubles
        (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter). A provider that asks for no wait at all
        would have all tries at once, and is given the usual one.
        """
        wait_s = self._asked_s(later.after_s) if later.after_s else self._backoff_s(claimed.tries)
        left_s = self.for_s - (now - claimed.first_try_ms) / 1000
        least_s = later.after_s or wait_s
        if claimed.tries >= self.tries or least_s > left_s:
            return None
        return min(wait_s, left_s)

    def _asked_s(self, after_s: float) -> float:
        return after_s + random.uniform(0, min(after_s * SPREAD, self.least_s))

    def _backoff_s(self, tries: int) -> float:
        limit = min(self.least_s * 2**tries, max(self.longest_s, self.least_s))
        return max(self.least_s, random.uniform(0, limit))


def is_outage(later: Later) -> bool:
    """Tell whether the provider itself is broken or out of reach; one that asks for a slower pace is not."""
    status = _STATUS.search(later.reason)
    return status is None or int(status[0]) >= 500


def may_have_arrived(later: Later) -> bool:
    """Tell whether the provider may have taken the notice all the same: it was asked, and no answer came."""
    return later.reason in _UNANSWERED
