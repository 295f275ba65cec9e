"""What wakes the workers: each kind of work has its wake-up, at most one per pause and under its own lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from chat.bootstrap import Broker
from chat.broker import keys
from chat.broker.wake import wake_drain
from chat.gateway.nudge import Nudge
from chat.gateway.recounter import Recounter
from chat.gateway.server import Running
from chat.model.device import DeviceKind

SEEN_PAUSE_S = 0.5  # between two wake-ups: a cursor that is raised often is stored twice a second


@dataclass(frozen=True, slots=True)
class WakeUps:
    """What sends the tasks that a server wakes."""

    drain: Callable[[], object]
    seen: Callable[[], object]
    recount: Callable[[], object]
    threads: Callable[[], object]
    push: Callable[[DeviceKind], object]
    push_test: Callable[[str, str], object]  # with the user and a token for the answer


@dataclass(frozen=True, slots=True)
class Wakers:
    """Asked for a wake-up, the first four never block; those of pushes are asked by requests, and may."""

    drain: Nudge
    seen: Nudge
    recounter: Recounter
    threads: Nudge
    push: Callable[[DeviceKind], object]
    push_test: Callable[[str, str], object]

    def running(self) -> tuple[Running, ...]:
        """Return what is to be started."""
        return self.drain, self.seen, self.recounter, self.threads


def wakers_of(broker: Broker, wake_ups: WakeUps) -> Wakers:
    """Return what wakes the workers by these tasks."""
    wake = partial(wake_drain, broker.client)
    wake_recount = partial(wake, wake_ups.recount, lease=keys.RECOUNT_LEASE)
    return Wakers(
        Nudge(partial(wake, wake_ups.drain)),
        Nudge(partial(wake, wake_ups.seen, lease=keys.SEEN_LEASE), pause_s=SEEN_PAUSE_S),
        Recounter(broker.recounts, broker.unread_counters.are_there, wake_recount),
        Nudge(partial(wake, wake_ups.threads, lease=keys.THREADS_LEASE)),
        lambda kind: wake(partial(wake_ups.push, kind), lease=keys.push_lease(kind)),
        wake_ups.push_test,
    )
