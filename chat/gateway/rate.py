"""Token buckets, each one number: the time until which what was taken is paid for (GCRA).

Source of the algorithm: ITU-T I.371, the virtual scheduling form of the leaky bucket.
"""

from __future__ import annotations

import time

from chat.errors import RateLimited

ROUNDING_S = 1e-6  # a whole bucket is taken although its sum is not exact
PRUNE_AT = 10_000  # users in the table before those that are square again are dropped


class JoinRate:
    """Rooms per second that one connection joins: joining one reads Redis, and may read the store."""

    def __init__(self, per_s: float, burst_s: float = 10.0) -> None:
        self._per_s = per_s
        self._burst_s = burst_s

    def take(self, paid_until: float, rooms: int) -> float:
        """Pay for rooms out of the bucket that `paid_until` describes and return what describes it then.

        Rooms that are more than the whole bucket cost the whole bucket. Raises: RateLimited.
        """
        if not self._per_s:
            return paid_until
        now = time.monotonic()
        paid = max(paid_until, now - self._burst_s) + min(rooms / self._per_s, self._burst_s)
        if paid > now + ROUNDING_S:
            wait = paid - now
            raise RateLimited(
                f"at most {self._per_s:g} rooms are joined a second; wait {wait:.2f} s",
                retry_after_s=wait,
                field="roomIds",
            )
        return paid


class UserRate:
    """Messages (or what `noun` says) per second of each user in this process; `per_s` 0 turns it off."""

    def __init__(self, per_s: float, burst_s: float = 2.0, *, noun: str = "messages") -> None:
        self.per_s = self._per_s = per_s
        self._noun = noun
        self.burst_s = burst_s
        self._burst_s = burst_s
        self._paid_until: dict[str, float] = {}
        self._prune_at = PRUNE_AT

    def must_ask(self, _user_id: str) -> bool:
        """Tell whether `ask` is due: never, a process by itself has nobody to ask."""
        return False

    def ask(self, user_id: str) -> None:
        """Ask nobody; see `SharedRate`."""

    def take(self, user_id: str) -> None:
        """Pay for one message; raises RateLimited with the time after which it would be taken."""
        if not self._per_s:
            return
        now = time.monotonic()
        paid = max(self._paid_until.get(user_id, 0.0), now - self._burst_s) + 1 / self._per_s
        if paid > now + ROUNDING_S:
            wait = paid - now
            raise RateLimited(
                f"at most {self._per_s:g} {self._noun} a second; wait {wait:.2f} s", retry_after_s=wait
            )
        self._paid_until[user_id] = paid
        if len(self._paid_until) > self._prune_at:
            square = now - self._burst_s
            self._paid_until = {user: at for user, at in self._paid_until.items() if at > square}
            self._prune_at = max(PRUNE_AT, 2 * len(self._paid_until))  # many at once: not for every message
