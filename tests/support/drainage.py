"""Messages on their way from the outbox into a SQLite store, with real parts, and what became of them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import ResponseError

from chat.broker import keys, scripts
from chat.broker.log import RedisRoomLog
from chat.broker.outbox import Outbox
from chat.broker.wake import DrainLease
from chat.model.ids import message_id
from chat.model.message import message_key
from chat.services.drain import Drain, DrainPolicy
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.rooms import Ears

POLICY = DrainPolicy(batch=500, linger_s=0.01, reclaim_idle_s=0.05, give_up_s=60, run_s=5)
TRIGGER = (
    "CREATE TRIGGER no_poison BEFORE INSERT ON message WHEN new.body LIKE '%poison%'"
    " BEGIN SELECT RAISE(ABORT, 'poison is not stored'); END"
)


class Drainage:
    """One room of sender `ann`, its outbox, its store and its listeners."""

    def __init__(self, client: redis.Redis, folder: Path, room_id: str = "room456") -> None:
        self.client = client
        self.room_id = room_id
        self.shard = keys.shard_of(room_id)
        self.path = folder / "chat.db"
        self.store = SqliteStore(self.path, busy_timeout_s=0.05)
        self.store.insert(Kind.ROOM, room_id, b'{"id":"%b","last_seq":0}' % room_id.encode())
        self.outbox = Outbox(client, consumer="first", log_length=1000)
        self.ears = Ears(client)
        self._log = RedisRoomLog(client)
        self._accept = client.register_script(scripts.load("accept_messages").source)
        self._heard: list[tuple[str, bytes]] = []
        self.warm()

    def warm(self, last_seq: int = 0) -> None:
        """Start the room's numbering."""
        self._log.warm(self.room_id, last_seq, [])

    def accept(self, *temp_ids: str, content: str = "hello", age_s: float = 0) -> list[str]:
        """Queue one entry of messages and return the script's answers."""
        room_keys = [keys.head(self.room_id), keys.log(self.room_id), keys.outbox(self.shard)]
        room_keys += [keys.stats(self.shard), keys.partial(self.shard)]
        args: list[Any] = [self.room_id, keys.room_channel(self.room_id), 100_000, 1000]
        for temp_id in temp_ids:
            members = {"room_id": self.room_id, "sender_id": "ann", "temp_id": temp_id, "content": content}
            accepted_ms = int((time.time() - age_s) * 1000)
            args += ["ann", temp_id, accepted_ms, "2030-01-01T00:00:00Z", json.dumps(members)[1:-1]]
        reply = self._accept([*room_keys, *(self.dedupe(each) for each in temp_ids)], args)
        return [each.decode() for each in reply]

    def dedupe(self, temp_id: str) -> str:
        """Return the dedupe key of ann's temp id."""
        return keys.dedupe(self.room_id, "ann", temp_id)

    def drain(self, consumer: str = "first", policy: DrainPolicy = POLICY) -> bool:
        """Run one drain in this process."""
        outbox = Outbox(self.client, consumer=consumer, log_length=1000)
        return Drain(outbox, self.store, DrainLease(self.client, consumer), policy).run()

    def id_of(self, seq: int) -> str:
        """Return the id of a message of the present epoch."""
        epoch: Any = self.client.hget(keys.head(self.room_id), "epoch")
        return message_id(self.room_id, seq, epoch.decode())

    def documents(self) -> dict[int, dict[str, Any]]:
        """Return the stored messages by their seq."""
        with sqlite3.connect(self.path) as database:
            rows = database.execute("SELECT body FROM message").fetchall()
        database.close()
        return {document["seq"]: document for document in (json.loads(body) for (body,) in rows)}

    def last_seq(self) -> int:
        """Return what the room's document says."""
        document = self.store.get(Kind.ROOM, self.room_id)
        assert document is not None
        return int(json.loads(document.body)["last_seq"])

    def put(self, seq: int, body: bytes) -> None:
        """Store a message behind the drain's back."""
        self.store.insert(Kind.MESSAGE, message_key(self.room_id, seq), body)

    def told(self, event: str) -> Counter[str]:
        """Return how often ann was told this about each temp id, since the start."""
        return Counter(frame["data"]["tempId"] for frame in self.frames(event))

    def frames(self, event: str) -> list[dict[str, Any]]:
        """Return the frames of this event on ann's channel, since the start."""
        self._heard += self.ears.heard()
        lines = [
            line
            for channel, payload in self._heard
            if channel == keys.user_channel("ann")
            for line in payload.split(b"\n")[1:]
        ]
        return [frame for line in lines if (frame := json.loads(line))["event"] == event]

    def waiting(self) -> int:
        """Return how many entries are in the outbox."""
        return sum(self.outbox.lengths())

    def counts(self) -> tuple[int, int, int]:
        """Return accepted, confirmed, retracted."""
        found: Any = self.client.hmget(keys.stats(self.shard), "accepted", "confirmed", "retracted")
        return int(found[0] or 0), int(found[1] or 0), int(found[2] or 0)

    def dead_letters(self) -> int:
        """Return how many letters the room's shard has."""
        return int(self.client.xlen(keys.dead(self.shard)))

    def refuse_poison(self) -> None:
        """Make the store refuse every message with `poison` in it."""
        database = sqlite3.connect(self.path)
        database.execute(TRIGGER)
        database.close()

    def taken(self) -> int:
        """Return how many entries a drain holds."""
        try:
            return int(self.client.xpending(keys.outbox(self.shard), keys.GROUP)["pending"])
        except ResponseError:  # no drain has run here yet
            return 0

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Nobody can write to the store meanwhile."""
        database = sqlite3.connect(self.path, isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            database.close()

    def close(self) -> None:
        """Let go of everything."""
        self.ears.close()
        self.store.close()
