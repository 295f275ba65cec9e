"""After a sweep nobody is online whose servers are all dead."""

from __future__ import annotations

from typing import Protocol

from chat.model.presence import Batch, Decided

ROUND_LIMIT = 100  # users of a shard in one round


class SweepBoard(Protocol):
    """The shared side of presence."""

    def expired(self, limit: int) -> list[str]: ...

    def decide(self, batch: Batch) -> Decided: ...

    def show(self, batch: Batch, decided: Decided) -> None: ...


def sweep(board: SweepBoard) -> int:
    """Take users offline whose servers died; return how many. Raises BrokerUnavailable."""
    swept = 0
    while ended := board.expired(ROUND_LIMIT):
        batch = Batch(departures=ended)
        decided = board.decide(batch)
        board.show(batch, decided)
        swept += len(decided.changes)
    return swept
