"""A room under test: each step by one short call, with the keys and arguments that the Lua headers name."""

from __future__ import annotations

from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.base import Confirmation, OutboxEntry
from chat.broker.log import RedisRoomLog
from chat.broker.outbox import Outbox

ACCEPTED_MS = 1_700_000_000_000
CONFIRM_BY = "2023-11-14T22:13:30Z"
LOG_LENGTH = 1000


def members(content: str) -> bytes:
    """Return message members with this content."""
    return b'"content":"%b"' % content.encode()


class Room:
    """One room; `Room(client).warm()` makes it ready to accept."""

    def __init__(self, client: redis.Redis, room_id: str = "room456") -> None:
        self.client = client
        self.room_id = room_id
        self.shard = keys.shard_of(room_id)
        self.head, self.log = keys.head(room_id), keys.log(room_id)
        self.outbox_key, self.partial = keys.outbox(self.shard), keys.partial(self.shard)
        self.stats, self.dead = keys.stats(self.shard), keys.dead(self.shard)
        self.reader = RedisRoomLog(client)
        self.outbox = Outbox(client, consumer="tester", log_length=LOG_LENGTH)

    def warm(self, last_seq: int = 0) -> Room:
        """Start the numbering."""
        self.reader.warm(self.room_id, last_seq, [])
        return self

    @property
    def epoch(self) -> str:
        """The epoch the head names."""
        epoch: Any = self.client.hget(self.head, "epoch")
        return str(epoch.decode())

    def dedupe(self, temp_id: str, sender: str = "ann") -> str:
        """Return the dedupe key of a temp id in this room."""
        return keys.dedupe(self.room_id, sender, temp_id)

    def accept(
        self, *temp_ids: str, sender: str = "ann", limit: int = 1000, log_length: int = LOG_LENGTH
    ) -> list[str]:
        """Run the script once for all temp ids and return its reply as text."""
        room_keys = [self.head, self.log, self.outbox_key, self.stats, self.partial]
        args: list[Any] = [self.room_id, keys.room_channel(self.room_id), limit, log_length]
        for temp_id in temp_ids:
            args += [sender, temp_id, ACCEPTED_MS, CONFIRM_BY, members(f"says {temp_id}")]
        script = self.client.register_script(scripts.load("accept_messages").source)
        reply = script([*room_keys, *(self.dedupe(each, sender) for each in temp_ids)], args)
        return [each.decode() for each in reply]

    def take(self) -> list[OutboxEntry]:
        """Take every entry that nobody has had."""
        return self.outbox.take(1000)

    def confirm(self, entry: OutboxEntry, *seqs: int) -> int:
        """Confirm these messages of the entry, or all of them."""
        return self.outbox.confirm(
            [
                Confirmation(entry, each, b'{"event":"message-confirmed","data":{"n":%d}}' % each.seq)
                for each in entry.messages
                if not seqs or each.seq in seqs
            ]
        )

    def retract(self, entry: OutboxEntry, seq: int, *, retryable: bool = False) -> bool:
        """Give one message of the entry up; return whether that was news."""
        (message,) = (each for each in entry.messages if each.seq == seq)
        letter = b"%b %b %d\n%b" % (
            message.sender_id.encode(),
            message.temp_id.encode(),
            message.accepted_ms,
            message.members,
        )
        dedupe = self.dedupe(message.temp_id, message.sender_id)
        script = self.client.register_script(scripts.load("retract_message").source)
        reply = script(
            [
                self.outbox_key,
                self.partial,
                self.stats,
                self.head,
                self.log,
                dedupe,
                self.dead,
                keys.removed(self.room_id),
                keys.unstored(self.shard),
            ],
            [
                *(keys.GROUP, entry.entry_id, entry.first_seq, len(entry.messages)),
                *(entry.room_id, entry.epoch, seq, message.sender_id, letter),
                *("refused", int(retryable), "too sad"),
                b'{"event":"message-failed","data":{"n":%d}}' % seq,
                *(keys.room_channel(entry.room_id), keys.USER_CHANNEL_PREFIX, LOG_LENGTH, ACCEPTED_MS, 1),
            ],
        )
        assert reply in ([b"retracted"], [b"gone"])
        return bool(reply == [b"retracted"])

    def contents(self) -> dict[bytes, Any]:
        """Return everything Redis holds, to compare before and after."""
        return {key: self.client.dump(key) for key in self.client.scan_iter(count=1000)}


class Ears:
    """A subscriber to every channel of the chat: what it has heard, complete at the time of asking."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._pubsub = client.pubsub()
        self._pubsub.psubscribe("chat:*")
        self._read_until("psubscribe")

    def heard(self) -> list[tuple[str, bytes]]:
        """Return (channel, payload) of what was published since the last asking."""
        self._client.publish("chat:end", b"")
        return self._read_until("chat:end")

    def close(self) -> None:
        """Hang up."""
        self._pubsub.close()

    def _read_until(self, end: str) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        while True:
            message = self._pubsub.get_message(timeout=5)
            if message is None:
                raise AssertionError(f"{end} was not heard within 5 s")
            if end in (message["type"], message["channel"].decode()):
                return found
            found.append((message["channel"].decode(), message["data"]))
