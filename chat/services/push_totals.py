"""How much users have not read in all, for the badge: from the counters, and counted where there are none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from chat.services.unread import Unread


class PushTotals:
    """Totals of any number of users; `cached` returns those that have a counter."""

    def __init__(self, cached: Callable[[Collection[str]], Mapping[str, int]], unread: Unread) -> None:
        self._cached = cached
        self._unread = unread

    def __call__(self, user_ids: Collection[str]) -> dict[str, int]:
        """Return each user's total. Raises BrokerUnavailable, StoreUnavailable."""
        totals = dict(self._cached(user_ids)) if user_ids else {}
        rooms = self._unread.rooms_of([user_id for user_id in user_ids if user_id not in totals])
        pairs = [(room_id, user_id) for user_id, room_ids in rooms.items() for room_id in room_ids]
        standings = self._unread.of(pairs) if pairs else {}
        for user_id, room_ids in rooms.items():
            totals[user_id] = sum(standings[room_id, user_id].unread for room_id in room_ids)
        return totals
