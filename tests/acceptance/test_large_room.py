"""A room of 10,000 costs Redis what a room of 10 does, and no deed in it holds up anybody else on the server."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha1
from typing import Any

import pytest
import redis

from chat.broker.outbox import Outbox
from chat.broker.wake import DrainLease
from chat.model.room import RoomType
from chat.services.drain import Drain
from chat.services.rooms import Rooms
from chat.store.sqlite import SqliteStore
from tests.support.chat_client import ChatClient
from tests.support.chat_system import ROOT, LoneServer, room_name
from tests.support.drainage import POLICY
from tests.support.raw_client import TEXT, RawClient, frame
from tests.support.turns import Turns
from tests.support.valkey import ValkeyProcess

SMALL, LARGE = 10, 10_000
STALL_S = 0.05
SCRIPTS = {sha1(path.read_bytes()).hexdigest(): path.stem for path in (ROOT / "chat/broker/lua").glob("*.lua")}
CHECK = "HMGET"  # every 5 s a server compares its positions with Redis
QUIET_S = 0.5  # what is told to Redis behind an answer has begun by then
PAUSE_S = 0.002  # of the bystander, before he asks again
BEHIND = 50  # his questions after a deed, over 0.1 s: what is done behind its answer belongs to it
TRIES = 3  # what one stall too many may be somebody else's doing on a busy machine


@pytest.fixture(scope="module")
def server() -> Iterator[LoneServer]:
    limits = {"MAX_ROOM_MEMBERS": str(LARGE + 100), "MAX_FRAMES_PER_S": "0", "AUTH_MODE": "dev"}
    with ValkeyProcess() as valkey, LoneServer(valkey.url, limits) as server:
        yield server
        server.close_clients()


class Hall:
    """A channel of so many members, of whom two do something."""

    def __init__(self, server: LoneServer, size: int) -> None:
        self.server, self.room = server, room_name()
        self.redis = redis.Redis.from_url(server.settings["REDIS_URL"])
        store = SqliteStore(server.store_path)
        names = [f"{who}-{self.room}" for who in ("owner", "reader", "leaver")]
        crowd = [f"u{number}-{self.room}" for number in range(size - len(names))]
        Rooms(store, member_limit=LARGE + 100).create(
            RoomType.CHANNEL, names[0], [*names[1:], *crowd], room_id=self.room, name="Hall"
        )
        store.close()
        self.owner, self.reader, self.leaver = (self._connect(name) for name in names)
        self.leaver_id, self.owner_token = names[2], server.token(names[0])
        self.guest = self._connect(f"new-{self.room}")

    def deeds(self) -> dict[str, Callable[[], Any]]:
        """Return what is done here, in this order."""
        path = f"/api/v1/rooms/{self.room}"
        return {
            "the first join": lambda: self.reader.join(self.room),
            "join": lambda: self.owner.join(self.room),
            "join of one who is removed": lambda: self.leaver.join(self.room),
            "send": lambda: self._send(),
            "what workers do": lambda: self._drain(),
            "seen": lambda: self._seen(),
            "unread": lambda: self.reader.ask("get-unread-counts"),
            "a page of history": lambda: self.reader.ask("get-messages", {"roomId": self.room}),
            "who is online": lambda: self.reader.ask("get-presence", {"userIds": [self.leaver_id]}),
            "the room": lambda: self._rest("GET", path),
            "removal": lambda: self._removal(path),
            "becoming a member": lambda: self.guest.join(self.room),
            "an admin": lambda: self._rest("PUT", f"{path}/members/u1-{self.room}", {"role": "admin"}),
            "another name": lambda: self._rest("PATCH", path, {"name": "Other"}),
        }

    def cost(self, deed: Callable[[], Any]) -> Counter[str]:
        """Return the commands that name the room and that scripts did not send, until nothing comes any more."""
        self._await_quiet()
        before = len(self._commands)
        deed()
        self._await_quiet()
        return Counter(self._commands[before:])

    def watch(self) -> Hall:
        """Begin to note the commands that name the room."""
        self._commands: list[str] = []
        self._news = threading.Condition()
        monitor = self.redis.monitor().__enter__()

        def note() -> None:
            with suppress(redis.RedisError, OSError, ValueError):
                for each in monitor.listen():
                    name, _, rest = each["command"].partition(" ")
                    name = SCRIPTS.get(rest.partition(" ")[0], name.upper())
                    if self.room in each["command"] and each["client_type"] != "lua" and name != CHECK:
                        with self._news:
                            self._commands.append(name)
                            self._news.notify_all()

        threading.Thread(target=note, daemon=True).start()
        return self

    def _await_quiet(self) -> None:
        with self._news:
            while self._news.wait(QUIET_S):
                pass

    def _connect(self, name: str) -> ChatClient:
        client = self.server.client(self.server.token(name))
        client.ask("heartbeat")
        return client

    def _send(self) -> None:
        seq = self.owner.say(self.room, "hello everybody")["seq"]
        self.reader.until(lambda: seq in self.reader.seqs(self.room))

    def _drain(self) -> None:
        """Have stored what was sent: a server asks after what is not, now and then, and that would be counted."""
        store = SqliteStore(self.server.store_path)
        outbox = Outbox(self.redis, consumer="tester", log_length=1000)
        Drain(outbox, store, DrainLease(self.redis, "tester"), POLICY, sleep=lambda _: None).run()
        store.close()
        self.owner.until(self.owner.confirmed)

    def _seen(self) -> None:
        self.reader.ask("mark-messages-seen", {"roomId": self.room, "seq": 1})
        self.owner.until(lambda: self.owner.of("messages-seen"))

    def _rest(self, method: str, path: str, body: Any = None) -> None:
        answer = self.server.request(method, path, body, self.owner_token)
        assert answer.ok, answer.text

    def _removal(self, path: str) -> None:
        self._rest("DELETE", f"{path}/members/{self.leaver_id}")
        self.leaver.until(lambda: [each["change"] for each in self.leaver.of("room-updated")] == ["member-removed"])


COMPARED = ("join", "send", "seen", "unread", "a page of history", "removal")


def test_each_deed_costs_redis_the_same_in_a_room_of_10_and_of_10_000(server: LoneServer) -> None:
    found: dict[int, dict[str, Counter[str]]] = {}
    for deed in Hall(server, SMALL).deeds().values():
        deed()  # the first use of a script sends it to Redis
    for size in (SMALL, LARGE):
        hall = Hall(server, size).watch()
        found[size] = {name: hall.cost(deed) for name, deed in hall.deeds().items()}
    print(f"\ncommands that name the room: { {name: dict(cost) for name, cost in found[LARGE].items()} }")
    for name in COMPARED:
        assert found[SMALL][name] == found[LARGE][name], name
        assert 0 < found[LARGE][name].total() < 20, name


class Bystander:
    """Somebody else on the server, who asks it all the time whether it is there."""

    def __init__(self, server: LoneServer) -> None:
        self._server = server
        self.waits: list[float] = []
        self._answered = threading.Condition()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def await_answers(self, count: int) -> None:
        """Return when so many more answers have come."""
        with self._answered:
            enough = len(self.waits) + count
            assert self._answered.wait_for(lambda: len(self.waits) >= enough, 30), self.waits

    def _ask(self) -> None:
        pid = self._server.process.pid
        turns = Turns(pid, pid, os.getpid(), threading.get_native_id())
        with RawClient(self._server.address[1]) as raw:
            raw.open()

            def ask() -> None:
                raw.send(frame(TEXT, b'{"event":"heartbeat"}'))
                while b'"heartbeat"' not in raw.receive()[1][:30]:
                    pass

            while not self._is_over.wait(PAUSE_S):
                wait_s = turns.timed(ask)
                with self._answered:
                    self.waits.append(wait_s)
                    self._answered.notify_all()


def test_nobody_waits_for_what_happens_in_a_room_of_10_000(server: LoneServer) -> None:
    longest: dict[str, float] = {}
    for _ in range(TRIES):
        hall = Hall(server, LARGE)
        for name, deed in hall.deeds().items():
            with Bystander(server) as bystander:
                deed()
                bystander.await_answers(BEHIND)
            longest[name] = min(max(bystander.waits), longest.get(name, 9.9))
    print(f"\nlongest wait of a bystander in ms: { {name: round(s * 1000, 1) for name, s in longest.items()} }")
    assert {name: wait for name, wait in longest.items() if wait > STALL_S} == {}
