"""Rooms whose members send and read, between a real Valkey and a real SQLite file, step by step in this process."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import redis

from chat.broker import keys, scripts
from chat.broker.log import RedisRoomLog
from chat.broker.marks import Recounts, threads, unstored
from chat.broker.outbox import Outbox
from chat.broker.reading import RedisReading
from chat.broker.unread_counters import UnreadCounters
from chat.broker.wake import DrainLease
from chat.model.cursor import Cursor, Standing
from chat.model.ids import message_id
from chat.model.room import RoomType
from chat.services.batch_notes import BatchNotes
from chat.services.cold_start import ColdStart
from chat.services.cursors import read_cursors
from chat.services.drain import Drain
from chat.services.recount import Recount
from chat.services.room_sizes import RoomSizes
from chat.services.rooms import Rooms
from chat.services.seen import Seen
from chat.services.store_seen import StoreSeen
from chat.services.unread import Unread
from chat.store.sqlite import SqliteStore
from tests.support.drainage import POLICY, TRIGGER

USERS = ("ann", "bob", "cleo")


class ReadingScene:
    """`make` a room, let people `send` and `mark`; `settle` does all that workers would do."""

    def __init__(self, client: redis.Redis, folder: Path, *, small: int = 100) -> None:
        self.client, self.path = client, folder / "chat.db"
        self.store = SqliteStore(self.path)
        self.log = RedisRoomLog(client)
        self.threads = threads(client)
        self.reading, self.marks, self.recounts = RedisReading(client), unstored(client), Recounts(client)
        self.notes = BatchNotes(self.store, self.threads.mark, self.reading.note_mentions)
        self.cold_start = ColdStart(self.log, self.store, self.notes.newest)
        self.counters = UnreadCounters(client)
        self.unread = Unread(self.reading, self.store)
        self.private: set[str] = set()
        self.seen = Seen(self.reading, self.store, self.cold_start.locate, self.private.__contains__, self._raised)
        self.rooms = Rooms(self.store, member_limit=10_000)
        sizes = RoomSizes(self.store, self.counters.sizes, limit=small)
        lease = DrainLease(client, "recount", key=keys.RECOUNT_LEASE)
        self.recount = Recount(self.recounts, self.counters, self.unread, sizes, lease, sleep=lambda _: None)
        self._accept = client.register_script(scripts.load("accept_messages").source)
        self._temp_ids = itertools.count(1)
        self.store.ping()

    def make(self, room_id: str, user_ids: Collection[str]) -> str:
        """Make a group of these people."""
        first, *others = user_ids
        self.rooms.create(RoomType.GROUP, first, others, room_id=room_id, name=None)
        self.cold_start.locate(room_id)
        return room_id

    def send(self, room_id: str, user_id: str, content: str = "hello", count: int = 1, **members: Any) -> int:
        """Accept messages and return the last one's number; `poison` is never stored once it is refused."""
        shard = keys.shard_of(room_id)
        room_keys = [keys.head(room_id), keys.log(room_id), keys.outbox(shard), keys.stats(shard)]
        args: list[Any] = [room_id, keys.room_channel(room_id), 100_000, 1000]
        dedupe = []
        for _ in range(count):
            temp_id = f"t{next(self._temp_ids)}"
            body = {"room_id": room_id, "sender_id": user_id, "temp_id": temp_id, "content": content} | members
            members_json = msgspec.json.encode(body)[1:-1]
            args += [user_id, temp_id, int(time.time() * 1000), "2030-01-01T00:00:00Z", members_json]
            dedupe.append(keys.dedupe(room_id, user_id, temp_id))
        reply = self._accept([*room_keys, keys.partial(shard), *dedupe], args)
        if reply == [b"cold"]:
            self.cold_start.locate(room_id)
            reply = self._accept([*room_keys, keys.partial(shard), *dedupe], args)
        return int(reply[-1].split()[1])

    def mark(self, room_id: str, user_id: str, seq: int) -> Standing:
        """See all up to a number."""
        return self.seen.mark(room_id, user_id, seq=seq)

    def id_of(self, room_id: str, seq: int) -> str:
        """Return the id of a message of the present epoch."""
        epoch: Any = self.client.hget(keys.head(room_id), "epoch")
        return message_id(room_id, seq, epoch.decode())

    def drain(self) -> None:
        """Store what was accepted."""
        outbox = Outbox(self.client, consumer="worker", log_length=1000)
        lease = DrainLease(self.client, "worker")
        ask = lambda rooms: self.recounts.mark(f"r {room_id}" for room_id in rooms)  # noqa: E731
        Drain(outbox, self.store, lease, POLICY, sleep=lambda _: None, on_settled=ask, note=self.notes).run()

    def store_seen(self) -> int:
        """Store what was marked."""
        return StoreSeen(self.marks, self.store).run()

    def settle(self) -> None:
        """Do all that waits."""
        self.drain()
        self.store_seen()
        self.recount.run()

    def count(self, room_id: str, user_id: str) -> int:
        """Return what the system says is unread."""
        return self.unread.of([(room_id, user_id)])[room_id, user_id].unread

    def cursor(self, room_id: str, user_id: str) -> Cursor:
        """Return the stored cursor."""
        return read_cursors(self.store, [(room_id, user_id)])[room_id, user_id]

    def truth(self, room_id: str, user_id: str) -> int:
        """Count the stored messages behind the stored cursor, one by one."""
        read_seq = self.cursor(room_id, user_id).read_seq
        with sqlite3.connect(self.path) as database:
            bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM message")]
        database.close()
        return sum(each["room_id"] == room_id and each["seq"] > read_seq for each in bodies)

    def cached(self, user_id: str, room_id: str) -> tuple[bytes | None, bytes | None]:
        """Return the public counters: of the room, and the total."""
        unread: Any = self.client.get(keys.unread(user_id, room_id))
        total: Any = self.client.get(keys.total_unread(user_id))
        return unread, total

    def refuse_poison(self) -> None:
        """Make the store refuse every message with `poison` in it."""
        database = sqlite3.connect(self.path)
        database.execute(TRIGGER)
        database.close()

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def _raised(self, user_id: str, room_id: str) -> None:
        self.recounts.mark([f"s {user_id} {room_id}"])
