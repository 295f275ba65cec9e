"""A user's message rate over all servers: each enforces the whole limit by itself, and they share what was spent.

While there is one server, nothing is shared. With several, what users sent is told to Redis every `SHARE_EVERY_S`,
off the accept path, and a user who is over the limit in sum is stopped on each of them. Whoever sends more than a
few messages in that time waits for the answer (`must_ask`, `ask`), so that each server lets through no more than
those few beyond the limit, however the user floods.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

import gevent

from chat.broker.rates import RedisRates
from chat.errors import BrokerUnavailable, RateLimited
from chat.gateway.rate import UserRate

SHARE_EVERY_S = 0.1
COUNT_EVERY_S = 2.0  # how soon a second server is noticed
UNTOLD_SHARE = 8  # an eighth of the burst may be spent between two tellings without waiting: people type slower
ASK_TIMEOUT_S = 0.5  # an answer takes a millisecond, and the step behind it has its own 5 s to give up
SILENT_S = 5.0  # for so long nobody asks again after Redis did not answer: each server's own limit holds
log = logging.getLogger(__name__)


class SharedRate:
    """`UserRate` with a memory that servers share; `count_servers()` may block."""

    def __init__(self, local: UserRate, rates: RedisRates, count_servers: Callable[[], int]) -> None:
        self._local = local
        self._rates = rates
        self._count_servers = count_servers
        self._is_shared = False
        self._most_untold = max(1, math.ceil(local.per_s * local.burst_s / UNTOLD_SHARE))
        self._may_ask_at = 0.0
        self._spent: Counter[str] = Counter()
        self._stopped: dict[str, float] = {}

    def start(self) -> None:
        """Begin to share."""
        gevent.spawn(self._run)

    def take(self, user_id: str) -> None:
        """Pay for one message; raises RateLimited with the time after which it would be taken."""
        until = self._stopped.get(user_id) if self._stopped else None
        if until is not None:
            wait = until - time.monotonic()
            if wait > 0:
                told = f"at most {self._local.per_s:g} messages a second over all connections; wait {wait:.2f} s"
                raise RateLimited(told, retry_after_s=wait)
            del self._stopped[user_id]
        self._local.take(user_id)
        if self._is_shared:
            self._spent[user_id] += 1

    def must_ask(self, user_id: str) -> bool:
        """Tell whether `ask` is due before this user's next message."""
        return self._is_shared and self._spent[user_id] >= self._most_untold

    def ask(self, user_id: str) -> None:
        """Tell what this user has spent here, and learn whether there is more to spend; may block."""
        if not self.must_ask(user_id) or time.monotonic() < self._may_ask_at:
            return
        try:
            with gevent.Timeout(ASK_TIMEOUT_S, BrokerUnavailable("spend rate")):
                self._tell({user_id: self._spent.pop(user_id)})
        except BrokerUnavailable as exc:
            self._may_ask_at = time.monotonic() + SILENT_S
            log.debug("rate-not-asked", extra={"error": str(exc)})

    def share(self) -> None:
        """Tell what was spent here and learn who has to wait; raises BrokerUnavailable."""
        if self._spent:
            spent, self._spent = self._spent, Counter()
            self._tell(spent)

    def _tell(self, spent: Mapping[str, int]) -> None:
        now = time.monotonic()
        waits = self._rates.spend(spent)
        self._stopped |= {user_id: now + wait for user_id, wait in waits.items() if wait > 0}

    def look_around(self) -> None:
        """Find out whether there are other servers to share with; raises BrokerUnavailable."""
        self._is_shared = bool(self._local.per_s) and self._count_servers() > 1
        now = time.monotonic()
        self._stopped = {user_id: until for user_id, until in self._stopped.items() if until > now}

    def _run(self) -> None:
        looked_at = 0.0
        while True:
            gevent.sleep(SHARE_EVERY_S)
            try:
                if time.monotonic() - looked_at > COUNT_EVERY_S:
                    looked_at = time.monotonic()
                    self.look_around()
                self.share()
            except BrokerUnavailable as exc:
                log.debug("rates-not-shared", extra={"error": str(exc)})
