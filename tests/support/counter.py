"""A dispatcher with real services, and nothing between it and its clients."""

from __future__ import annotations

import json
from typing import Any, cast

from chat.gateway.dispatcher import Dispatcher
from chat.gateway.rate import JoinRate
from chat.model.room import RoomType
from chat.services.amending import Reacted
from chat.services.fates import Fates
from chat.services.history import History
from chat.store.sqlite import SqliteStore
from tests.support.desk import Desk
from tests.support.greenlets import turn_until
from tests.support.keeping import Keeping
from tests.support.local_client import LocalClient
from tests.support.local_server import ROOM
from tests.support.presence import live_presence


class Amendments:
    """Takes every amendment."""

    def __init__(self, done: list[tuple[Any, ...]]) -> None:
        self.done = done

    def edit(self, user_id: str, ref: Any, content: str) -> bytes:
        self.done.append(("edit", user_id, ref.seq, content))
        return b'{"content":"ho"}'

    def delete(self, user_id: str, ref: Any) -> None:
        self.done.append(("delete", user_id, ref.seq))

    def react(self, user_id: str, ref: Any, emoji: str, remove: bool | None) -> Reacted:
        self.done.append(("react", user_id, ref.seq, emoji, remove))
        return Reacted("added", {emoji: [user_id]})


class Counter:
    """A dispatcher with services over a real store and a broker in memory; `ann` is its client."""

    def __init__(self, server: Any, store: SqliteStore, rooms_per_socket: int = 3, joins_per_s: float = 0) -> None:
        self.server, self.desk = server, Desk(server, store)
        keeping = Keeping(store, broker=server.broker)
        self.rooms, self.changes = keeping.rooms, keeping.changes
        self.rooms.create(RoomType.GROUP, "ann", ["bob"], room_id=ROOM, name=None)
        self.rooms.create(RoomType.GROUP, "bob", [], room_id="closed", name=None)
        self.membership = keeping.membership
        self.amended: list[tuple[Any, ...]] = []
        self.dispatcher = Dispatcher(
            server.hub,
            self.membership,
            self.desk.sending,
            server.joining,
            History(server.broker, store, server.broker.read),
            Fates(server.broker, server.broker.read),
            rooms_per_socket,
            JoinRate(joins_per_s),
            live_presence(server.hub),
            cast("Any", Amendments(self.amended)),
        )

    def client(self, user_id: str = "ann") -> LocalClient:
        return self.server.client(user_id)

    def say(self, client: LocalClient, event: str, data: Any = None, ack: Any = None) -> None:
        frame = {"event": event, "data": data or {}} | ({} if ack is None else {"ack": ack})
        self.dispatcher.on_message(client.connection, json.dumps(frame).encode())

    def ask(self, client: LocalClient, event: str, data: Any = None, ack: Any = 1) -> list[dict[str, Any]]:
        """Say it, and return what comes back until nothing is under way."""
        self.say(client, event, data, ack)
        return self.answers(client)

    def answers(self, client: LocalClient) -> list[dict[str, Any]]:
        turn_until(lambda: not client.session.is_busy)
        self.server.broker.answer()
        return client.told()
