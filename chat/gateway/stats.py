"""What `/stats` and `/readyz` tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent

from chat.broker.counters import Counters
from chat.errors import BrokerUnavailable, ChatError, StoreUnavailable
from chat.gateway.relay import Relay
from chat.gateway.rooms import LocalRooms
from chat.hub import Hub
from chat.services.membership import Membership

REPORT_EVERY_S = 2.0
MESSAGES = ("accepted", "confirmed", "retracted", "waiting")  # counted by scripts, the rest by workers
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of this server, and sums over all of them."""

    node_id: str
    hub: Hub
    rooms: LocalRooms
    membership: Membership
    counters: Counters

    def start(self) -> None:
        """Begin to report this server's figures to the others."""
        gevent.spawn(self._report)

    def stop(self) -> None:
        """Take this server's figures back."""
        try:
            self.counters.withdraw(self.node_id)
        except BrokerUnavailable:
            log.info("figures-not-withdrawn", extra={"action": "they go stale in seconds"})

    def local(self) -> dict[str, int]:
        """Return what this process holds now."""
        users = [listeners for listeners in self.hub.users.values() if listeners]
        return {
            "connectedUsers": len(users),
            "totalSockets": sum(len(listeners) for listeners in users),
            "activeChatRooms": sum(not room.is_empty for room in self.hub.rooms.values()),
            "deliveries": self.hub.deliveries,
            "hits": self.membership.hits,
            "misses": self.membership.misses,
        }

    def collect(self) -> dict[str, Any]:
        """Return the whole of `/stats`; raises BrokerUnavailable."""
        return self._told(self.counters.totals())

    def figures(self) -> dict[str, Any]:
        """Return what `/metrics` tells: `/stats`, all that workers count, and pushes; raises BrokerUnavailable."""
        totals = self.counters.totals()
        work = {name: value for name, value in totals.items() if name not in MESSAGES}
        return {**self._told(totals), "work": work, "push": self.counters.pushes()}

    def _told(self, totals: dict[str, int]) -> dict[str, Any]:
        rows = [self.local(), *self.counters.others(self.node_id)]
        held = {name: sum(row.get(name, 0) for row in rows) for name in rows[0]}
        asked = held["hits"] + held["misses"]
        return {
            **{name: held[name] for name in ("connectedUsers", "totalSockets", "activeChatRooms", "deliveries")},
            "servers": len(rows),
            "cache": {
                "hits": held["hits"],
                "misses": held["misses"],
                "hitRate": round(held["hits"] / asked, 4) if asked else None,
            },
            "deliveryLatencyMs": self.rooms.shown_latency.percentiles(),
            "confirmationLatencyMs": self.rooms.confirmed_latency.percentiles(),
            "outboxLength": totals["waiting"],
            "messagesAccepted": totals["accepted"],
            "messagesConfirmed": totals["confirmed"],
            "messagesRetracted": totals["retracted"],
            "storeRoundTrips": totals["store_round_trips"],
            "drainTasks": totals["drain_tasks"],
            "changesFinished": totals["changes_finished"],
            "reconciled": {
                "cachesChecked": totals["caches_checked"],
                "cachesMended": totals["caches_mended"],
                "membershipsMended": totals["memberships_mended"],
            },
            "presenceSweeps": totals["presence_sweeps"],
            "presenceExpired": totals["presence_expired"],
            "unreadDrift": totals["unread_drift"],
        }

    def _report(self) -> None:
        while True:
            try:
                self.counters.report(self.node_id, self.local())
            except BrokerUnavailable as exc:
                log.debug("figures-not-reported", extra={"error": str(exc)})
            gevent.sleep(REPORT_EVERY_S)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Asks every part that a message needs."""

    probes: dict[str, Callable[[], object]]
    relay: Relay

    def faults(self) -> dict[str, str]:
        """Return what can't be reached, by name, with the reason; empty when all is well."""
        jobs = {name: gevent.spawn(_probe, probe) for name, probe in self.probes.items()}
        gevent.joinall(list(jobs.values()))
        faults = {name: job.value for name, job in jobs.items() if job.value}
        if not self.relay.is_connected:
            faults.setdefault("redis", "the subscriber is not connected; trying again")
        return faults


def _probe(probe: Callable[[], object]) -> str | None:
    try:
        probe()
    except (ChatError, OSError) as exc:
        if isinstance(exc, StoreUnavailable) and exc.fault:
            return str(exc)  # in our words: its cause is of the driver's, with keys and addresses in it
        return str(exc.__cause__ or exc)
    return None
