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

        What the provider asks for is kept; otherwise full jitter under a limit that doubles
        (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter).
        """
        limit = min(self.least_s * 2**claimed.tries, max(self.longest_s, self.least_s))
        wait_s = max(self.least_s, random.uniform(0, limit)) if later.after_s is None else later.after_s
        since_s = (now - claimed.first_try_ms) / 1000
        if claimed.tries >= self.tries or since_s + wait_s > self.for_s:
            return None
        return wait_s


def is_outage(later: Later) -> bool:
    """Tell whether the provider itself is broken or out of reach; one that asks for a slower pace is not."""
    status = _STATUS.search(later.reason)
    return status is None or int(status[0]) >= 500
