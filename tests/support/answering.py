"""People who answer, name and delete in one room, between a real Valkey and a real store, step by step."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import redis

from chat.broker import keys
from chat.broker.events import RedisEvents
from chat.broker.wake import DrainLease
from chat.model.clock import now_ms, rfc3339
from chat.services.amending import Amending
from chat.services.announcing import Announcer, Sweep
from chat.services.edit_history import EditHistory
from chat.services.mentions import Mentions
from chat.services.message_telling import EVENTS, MessageTelling
from chat.services.pins import NOTE, Pins
from chat.services.removed import Removing
from chat.services.seen import message_of
from chat.services.stored_messages import StoredMessages
from chat.services.tell_threads import TellThreads
from chat.services.threads import Threads
from chat.services.tombstones import Tombstones
from tests.support.reading import ReadingScene

ROOM = "r1"


class AnsweringScene(ReadingScene):
    """`say` something, `delete` it; `settle` does all that workers would do."""

    def __init__(self, client: redis.Redis, folder: Path, user_ids: tuple[str, ...]) -> None:
        super().__init__(client, folder)
        self.make(ROOM, user_ids)
        self.messages = StoredMessages(self.store, self.log, lambda _: None)
        events = RedisEvents(client, log_length=1000)
        announcer = Announcer(events, self.cold_start.warm)
        self.pins = Pins(self.store, self.rooms, self.messages, announcer)
        tombstones = Tombstones(self.store, self.threads.mark, self.pins.drop)
        self.telling = MessageTelling(self.messages, announcer, tombstones)
        lease = DrainLease(client, "threads", key=keys.THREADS_LEASE)
        self.counted = Threads(self.store)
        self.mentions = Mentions(self.store, self.reading.note_mentions)
        self.tell_threads = TellThreads(
            self.threads, self.messages, self.counted, self.telling, lease, sleep=lambda _: None
        )
        removing = Removing(self.reading, self.cold_start.locate, lambda _: None)
        self.amending = Amending(
            self.messages,
            EditHistory(self.store),
            self.telling,
            lambda _: None,
            lambda *_: True,
            lambda ref: removing.remove(ref.room_id, [ref.seq]),
        )
        finishers = dict.fromkeys(EVENTS, self.telling.finish) | {NOTE: self.pins.finish}
        self.sweep = Sweep(events, finishers)

    def say(self, user_id: str, reply_to: str | None = None, named: tuple[str, ...] = ()) -> int:
        """Accept a message and return its number."""
        members: dict[str, Any] = {"created_at": rfc3339(now_ms()), "reply_to": reply_to, "sender_name": user_id}
        members |= {"attachments": [], "edited_at": None, "deleted_at": None, "reactions": {}}
        members["metadata"] = {"mentions": list(named)} if named else {}
        return self.send(ROOM, user_id, **members)

    def delete(self, message_id: str) -> None:
        """Delete a stored message."""
        self.amending.delete("mod", message_of(ROOM, message_id))

    def settle(self) -> None:
        """Do all that waits."""
        super().settle()
        self.sweep.run(-1)
        self.tell_threads.run()

    def stored(self) -> dict[int, dict[str, Any]]:
        """Return all stored messages, read around everything that is tested."""
        with sqlite3.connect(self.path) as database:
            bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM message")]
        database.close()
        return {each["seq"]: each for each in bodies}

    def replies_of(self, message_id: str) -> list[int]:
        """Count one by one which stored messages answer another."""
        return sorted(
            seq
            for seq, each in self.stored().items()
            if each["reply_to"] == message_id and each["deleted_at"] is None
        )

    def named(self, user_id: str) -> int:
        """Return how many unread messages name a user, as the user is told."""
        return self.mentions.of(self.unread.of([(ROOM, user_id)])).get((ROOM, user_id), 0)

    def named_truth(self, user_id: str) -> int:
        """Count the same one by one."""
        read_seq = self.unread.of([(ROOM, user_id)])[ROOM, user_id].read_seq
        return sum(
            seq > read_seq and each["deleted_at"] is None and user_id in each["metadata"].get("mentions", ())
            for seq, each in self.stored().items()
        )
