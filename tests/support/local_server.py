"""The part of a server process that holds rooms and listeners, with its broker in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chat.broker import keys
from chat.broker.base import DurableEvent
from chat.gateway.joining import Joining
from chat.gateway.rooms import LocalRooms
from chat.gateway.writer import write_all
from chat.hub import Hub, Room
from chat.model.events import split_frame
from chat.protocol.fields import Position
from chat.protocol.frames import text_frame
from tests.support.drafts import draft
from tests.support.greenlets import turn
from tests.support.local_client import LocalClient
from tests.support.memory import MemoryBroker
from tests.support.memory_relay import MemoryRelay

ROOM = "room456"


class Server:
    """One process, whose publications are passed on when the test says so."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.broker.warm(ROOM, 0, [])
        self.epoch = self.broker.heads[ROOM].epoch
        self.hub = Hub(write_all, text_frame, "here")
        self.relay = MemoryRelay()
        self.unresumable: list[Room] = []
        self.rooms = LocalRooms(self.hub, self.broker, self.broker.read, self.unresumable.append, self._note_sync)
        self.rooms._relay = self.relay  # without the greenlet that checks positions
        self.joining = Joining(self.rooms, self.broker)
        self.clients: list[LocalClient] = []
        self.sent = self.syncs = self.changes = 0

    def _note_sync(self) -> None:
        self.syncs += 1

    def client(self, user_id: str) -> LocalClient:
        client = LocalClient(user_id)
        self.clients.append(client)
        self.hub.add_user(client.session)
        return client

    def join(self, client: LocalClient, since: int | None = None, epoch: str | None = None) -> Any:
        position = None if since is None else Position(epoch or self.epoch, since)
        return self.joining.join(client.session, ROOM, position)

    def accept(self) -> None:
        self.sent += 1
        self.broker.accept(draft(f"t{self.sent}"))

    def change(self, cut: str = "-") -> None:
        """Let the room have a durable event that is no message."""
        self.changes += 1
        head, tail = split_frame("room-updated", {"roomId": ROOM, "change": self.changes})
        self.broker.append(DurableEvent(ROOM, "room-updated", ROOM, self.changes, head, tail, cut))

    def settle(self, how: str) -> None:
        """Confirm or retract the oldest message that waits."""
        waiting = self.broker.outbox.get(ROOM, {})
        if waiting:
            (self.broker.confirm if how == "confirm" else self.broker.retract)(ROOM, min(waiting))

    def hear(self) -> None:
        """Pass on the next publication."""
        if self.broker.published:
            room_id, payload = self.broker.published.pop(0)
            self.relay.hear(keys.room_channel(room_id), payload)

    def act(self, steps: list[str]) -> None:
        for step in steps:
            if step == "accept":
                self.accept()
            elif step == "hear":
                self.hear()
            elif step == "change":
                self.change()
            elif step == "turn":
                self.hub.flush()
            else:
                self.settle(step)

    def finish(self) -> None:
        """Settle and pass on everything."""
        while self.broker.outbox.get(ROOM):
            self.settle("confirm")
        while self.broker.published:
            self.hear()
        self.hub.flush()
        turn()


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server and end its connections."""
    server = Server()
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        turn()


def offsets(told: list[dict[str, Any]]) -> list[int]:
    """Return the offsets of durable events, in the order they came."""
    return [each["data"]["offset"] for each in told if "offset" in each["data"]]
