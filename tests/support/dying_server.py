"""A process that changes a room as a server does and is killed when the change is stored and not told yet.

python -m tests.support.dying_server REDIS_URL STORE_PATH ROOM ACTOR USER
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import redis

from chat.broker.events import RedisEvents
from chat.broker.log import RedisRoomLog
from chat.broker.members import RedisMembers
from chat.services.announcing import Announcer
from chat.services.cold_start import ColdStart
from chat.services.room_changes import RoomChanges
from chat.services.rooms import Rooms
from chat.store.sqlite import SqliteStore


class DyingCaches(RedisMembers):
    """The first thing that is asked of Redis after the store was written is the end."""

    def removed(self, *_args: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def main(redis_url: str, store_path: str, room_id: str, actor_id: str, user_id: str) -> None:
    """Remove a user from a room, nearly."""
    client = redis.Redis.from_url(redis_url)
    store = SqliteStore(store_path)
    events = RedisEvents(client, log_length=1000)
    announcer = Announcer(events, ColdStart(RedisRoomLog(client), store).warm)
    changes = RoomChanges(Rooms(store, member_limit=100), announcer, DyingCaches(client))
    changes.remove_member(room_id, actor_id, user_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
