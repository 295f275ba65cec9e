"""A batch of writes, flown in as few flights as the store's answers allow: one, when all is new."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from chat.store.base import Kind, Write
from chat.store.couchbase.flight import Landing, Operation
from chat.store.couchbase.steps import End, Step


def fly_batch(
    writes: Sequence[Write],
    step_of: Callable[[Write], Step],
    fly: Callable[[Sequence[Operation]], list[Landing]],
) -> list[End]:
    """Bring every write to its end, those of one key one after the other, and return the ends in order.

    It ends because `fly` has a deadline, after which every operation lands as an outage.
    """
    queues: dict[tuple[Kind, str], deque[int]] = {}
    for index, write in enumerate(writes):
        queues.setdefault((write.kind, write.key), deque()).append(index)
    ends: dict[int, End] = {}
    under_way = {queue[0]: step_of(writes[queue[0]]) for queue in queues.values()}
    while under_way:
        landings = fly([step.next for step in under_way.values()])
        for (index, step), landing in zip(list(under_way.items()), landings, strict=True):
            end = step.land(landing)
            if end is None:
                continue
            ends[index] = end
            del under_way[index]
            queue = queues[writes[index].kind, writes[index].key]
            queue.popleft()
            if queue:
                under_way[queue[0]] = step_of(writes[queue[0]])
    return [ends[index] for index in range(len(writes))]
