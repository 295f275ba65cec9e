"""All that keeps rooms, over a real store and a broker in memory."""

from __future__ import annotations

from typing import Any

from chat.broker.base import Appended
from chat.services.announcing import Announcer
from chat.services.membership import Membership
from chat.services.room_changes import RoomChanges
from chat.services.rooms import Rooms
from chat.store.base import Store
from tests.support.memory import MemoryBroker
from tests.support.memory_sets import MemorySets


class Keeping:
    """Rooms, their changes and memberships; `awaited` are the changes that every server has to obey."""

    def __init__(
        self, store: Store, *, member_limit: int = 100, broker: Any = None, caches: Any = None, is_dev: bool = False
    ) -> None:
        self.store = store
        self.broker = MemoryBroker() if broker is None else broker
        self.caches = MemorySets() if caches is None else caches
        self.rooms = Rooms(store, member_limit=member_limit)
        self.announcer = Announcer(self.broker, lambda room_id: self.broker.warm(room_id, 0, []))
        self.awaited: list[Appended] = []
        self.changes = RoomChanges(self.rooms, self.announcer, self.caches, self.awaited.append)
        self.membership = self.another(is_dev=is_dev)

    def another(self, *, is_dev: bool = False) -> Membership:
        """Return what another server knows of memberships."""
        return Membership(self.rooms, self.caches, self.changes, is_dev=is_dev)
