"""A room with its server side and its workers in this process, over a real Valkey and a real SQLite file.

Nothing happens by itself: what was published is passed on by `hear`, and workers work when `work` is called.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from chat.broker import keys
from chat.broker.events import RedisEvents
from chat.broker.members import RedisMembers
from chat.errors import RequestError
from chat.gateway.joining import Joining
from chat.gateway.rooms import LocalRooms
from chat.gateway.settler import Settler
from chat.gateway.writer import write_all
from chat.hub import Hub, Room
from chat.model.ids import MessageRef, parse_message_id
from chat.model.publication import read_user
from chat.protocol.fields import Position
from chat.protocol.frames import text_frame
from chat.services.amending import Amending
from chat.services.announcing import Announcer
from chat.services.edit_history import EditHistory
from chat.services.fates import Fates
from chat.services.history import History
from chat.services.message_telling import MessageTelling
from chat.services.removed import Removing
from chat.services.room_changes import RoomChanges
from chat.services.stored_messages import StoredMessages
from chat.services.tombstones import Tombstones
from tests.support.greenlets import turn
from tests.support.local_client import LocalClient
from tests.support.memory_relay import MemoryRelay
from tests.support.reading import ReadingScene
from tests.support.rooms import Ears
from tests.support.simulated_client import SimulatedClient, as_seen

ROOM, OWNER = "r1", "owner"


class Interplay:
    """`OWNER` keeps the room and is silent; `people` send, amend, read, come and go."""

    def __init__(self, client: redis.Redis, folder: Path, people: tuple[str, ...]) -> None:
        self.redis, self.people = client, people
        self.scene = ReadingScene(client, folder)
        self.scene.refuse_poison()
        self.scene.make(ROOM, [OWNER, *people])
        self.ears = Ears(client)
        self._build_server()
        self._build_services()
        self.clients = {user_id: SimulatedClient(user_id) for user_id in people}
        self.lines: dict[str, LocalClient] = {}

    def _build_server(self) -> None:
        scene = self.scene
        self.hub = Hub(write_all, text_frame)
        self.relay = MemoryRelay()
        self.rooms = LocalRooms(self.hub, scene.log, scene.cold_start.locate, self._send_away, lambda: None)
        self.rooms._relay = self.relay  # without the greenlet that checks positions
        self.joining = Joining(self.rooms, scene.log)
        self.settler = Settler(self.hub, self.hub.unconfirmed, scene.log, scene.store, lambda: None)

    def _build_services(self) -> None:
        scene = self.scene
        announcer = Announcer(RedisEvents(self.redis, log_length=1000), scene.cold_start.warm)
        self.changes = RoomChanges(
            scene.rooms,
            announcer,
            RedisMembers(self.redis),
            on_moved=lambda user_id, room_id: scene.recounts.mark([f"m {user_id} {room_id}"]),
        )
        messages = StoredMessages(
            scene.store, scene.log, lambda _: scene.drain()
        )  # in place of waiting for a worker
        removing = Removing(
            scene.reading, scene.cold_start.locate, lambda room_id: scene.recounts.mark([f"r {room_id}"])
        )
        self.amending = Amending(
            messages,
            EditHistory(scene.store),
            MessageTelling(messages, announcer, Tombstones(scene.store)),
            lambda _content: None,
            lambda _room_id, user_id: user_id == OWNER,
            lambda ref: removing.remove(ref.room_id, [ref.seq]),
        )
        self.history_pages = History(scene.log, scene.store, scene.cold_start.locate)
        self.fates = Fates(scene.log, scene.cold_start.locate)

    # what people do

    def is_member(self, user_id: str) -> bool:
        return user_id in self.scene.rooms.members(ROOM)

    def join(self, user_id: str) -> None:
        """Connect, with `since` where something was seen before."""
        if user_id in self.lines or not self.is_member(user_id):
            return
        line = self.lines[user_id] = LocalClient(user_id)
        client = self.clients[user_id]
        self.hub.add_user(line.session)
        self.relay.listen(keys.user_channel(user_id), lambda payload: self._tell_user(user_id, payload))
        since = None if client.position is None else Position(*client.position)
        joined = self.joining.join(line.session, ROOM, since)
        answer = joined.result()
        client.told(line.told())  # the replay comes first
        client.joined(answer, self.history)
        if joined.settled:
            line.session.connection.send_frame(joined.settled)
        self._ask_fates(client)

    def drop(self, user_id: str) -> None:
        """Lose the connection with what it was told and did not read."""
        line = self.lines.pop(user_id, None)
        if line is None:
            return
        line.session.is_closed = True
        self.hub.remove_user(line.session)
        self.hub.rooms[ROOM].remove(line.session)
        line.close()

    def amend(self, how: str, user_id: str, place: int, what: str) -> None:
        """Edit, delete or react to one of the messages that the user sees; it may be refused."""
        ref = self._ref(user_id, place)
        if ref is None or not self.is_member(user_id):
            return
        with suppress(RequestError):
            if how == "edit":
                self.amending.edit(user_id, ref, what)
            elif how == "delete":
                self.amending.delete(user_id, ref)
            else:
                self.amending.react(user_id, ref, what, None)

    def remove(self, user_id: str) -> None:
        """Take somebody out of the room."""
        if self.is_member(user_id):
            self.changes.remove_member(ROOM, OWNER, user_id)
            self.hear()  # the removal waits for every server to have heard it

    def add(self, user_id: str) -> None:
        """Let somebody into the room, again perhaps."""
        self.changes.put_member(ROOM, OWNER, user_id, None)

    # what happens to them

    def hear(self) -> None:
        """Pass on what was published, and let everyone read what they are told."""
        for channel, payload in self.ears.heard():
            self.relay.hear(channel, payload)
        self.hub.flush()
        turn()
        self._read()

    def lose(self) -> None:
        """Lose what was published, and the link to Redis with it; it is back at once."""
        self.ears.heard()
        self.rooms.connection_lost()
        for channel in list(self.relay.handlers):
            self.rooms.subscribed_again(channel)
        self.settle_shown()

    def settle_shown(self) -> None:
        """Do what the server does about once a second: compare positions, and ask after what is overdue."""
        self.rooms.check_positions()
        for _ in range(3):
            turn()
        self.settler.settle_overdue(0)
        self.hub.flush()
        self._read()

    def heal(self) -> None:
        """Let everybody be back and everything come to its end."""
        self.scene.cold_start.locate(ROOM)
        for _ in range(3):
            self.scene.settle()
            self.hear()
            self.settle_shown()
            for user_id in self.people:
                self.join(user_id)
        for client in self.clients.values():
            self._ask_fates(client)

    def history(self) -> list[dict[str, Any]]:
        """Return all messages, read page by page from the newest back."""
        found: list[dict[str, Any]] = []
        before = None
        while True:
            page = self.history_pages.page(ROOM, 5, before=before)
            messages = [json.loads(each) for each in page.messages]
            found = messages + found
            if not page.has_more or not messages:
                return found
            before = messages[0]["seq"]

    def truth(self) -> list[Any]:
        """Return what everybody should see."""
        return [as_seen(each) for each in self.history()]

    def unread_truth(self, user_id: str) -> int:
        """Count the messages behind a stored cursor, one by one, without deleted ones."""
        read_seq = self.scene.cursor(ROOM, user_id).read_seq
        return sum(each["seq"] > read_seq and not each.get("deleted_at") for each in self.history())

    def close(self) -> None:
        for user_id in list(self.lines):
            self.drop(user_id)
        self.ears.close()
        self.scene.close()

    def _ref(self, user_id: str, place: int) -> MessageRef | None:
        seen = sorted(self.clients[user_id].view, key=lambda name: self.clients[user_id].view[name]["seq"])
        return parse_message_id(seen[place % len(seen)]) if seen else None

    def _read(self) -> None:
        for user_id, line in list(self.lines.items()):
            self.clients[user_id].told(line.told())
            if ROOM not in line.session.rooms:  # cut off
                self.drop(user_id)

    def _ask_fates(self, client: SimulatedClient) -> None:
        if (own := client.own_temporary()) and self.is_member(client.user_id):
            client.settled(self.fates.of(ROOM, client.user_id, [each["temp_id"] for each in own]))

    def _tell_user(self, user_id: str, payload: bytes) -> None:
        if payload.startswith(b"unread "):
            return
        events = read_user(payload)
        known = self.hub.unconfirmed.sender_told(events.room_id, events.epoch, events.seqs)
        told = [frame for seq, frame in zip(events.seqs, events.frames, strict=True) if seq not in known]
        self.hub.tell_user(user_id, told)

    def _send_away(self, room: Room) -> None:
        for session in list(room.listeners):
            self.drop(session.user_id)
