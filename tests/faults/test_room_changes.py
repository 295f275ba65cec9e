"""Changes of rooms while servers freeze, links break and Redis forgets: who was removed gets nothing more."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import redis

from chat.broker import keys
from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ROOT, ChatServer, ChatSystem, LoneServer, room_name
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

pytestmark = pytest.mark.fault
SWEPT_WITHIN_S = 25  # a note is left for 10 s, workers look every 2 s
LEASE_S = 6.0
SECRET = "one secret for both of these servers"


@pytest.fixture
def servers() -> Iterator[tuple[LoneServer, LoneServer, redis.Redis]]:
    """Two web servers on one Redis and one store."""
    environ = {"AUTH_MODE": "dev", "AUTH_SECRET": SECRET}
    with (
        ValkeyProcess() as valkey,
        redis.Redis.from_url(valkey.url) as client,
        LoneServer(valkey.url, environ) as here,
        LoneServer(valkey.url, environ, store_path=here.store_path) as there,
    ):
        eventually(lambda: here.stats()["servers"] == 2)
        yield here, there, client


def make_group(server: ChatServer) -> str:
    room = room_name()
    answer = server.post("/api/v1/rooms", {"id": room, "members": ["ben"]}, server.token("ann"))
    assert answer.status_code == 201
    return room


def enter(server: ChatServer, who: str, room: str) -> ChatClient:
    client = server.client(server.token(who))
    client.join(room)
    return client


def remove(server: ChatServer, who: str, room: str) -> int:
    return server.request("DELETE", f"/api/v1/rooms/{room}/members/{who}", token=server.token("ann")).status_code


def of_room(client: ChatClient, room: str) -> list[str]:
    return [each["event"] for each in client.events if room in str(each) and each["event"] != "ack"]


def test_a_frozen_server_gives_nothing_to_who_was_removed_when_it_goes_on(servers) -> None:
    here, there, _ = servers
    room = make_group(here)
    ann, ben = enter(here, "ann", room), enter(there, "ben", room)
    ann.say(room, "before")
    ben.until(lambda: ben.shown(room))
    there.process.send_signal(signal.SIGSTOP)
    try:
        ben.shout(room, "sent while it stands still", "ben-1")
        ann.say(room, "accepted before the removal")
        start = time.monotonic()
        assert remove(here, "ben", room) == 204
        took_s = time.monotonic() - start
        print(f"\nanswered after {took_s:.2f} s")
        assert took_s > LEASE_S - 1
        ann.say(room, "accepted after the removal")
    finally:
        there.process.send_signal(signal.SIGCONT)
    ben.until(lambda: ben.of("room-updated") or ben.close_code)
    ben.until(
        lambda: any(each["data"].get("code") == "not-a-member" for each in ben.events if each["event"] == "error")
    )
    assert [each["content"] for each in ben.shown(room)] == ["before"]
    assert [each["content"] for each in ann.shown(room)].count("sent while it stands still") == 0
    assert of_room(ben, room)[-1] == "room-updated"


@pytest.mark.parametrize("is_wiped", [False, True])
def test_nothing_reaches_who_was_removed_when_the_links_broke_at_that_moment(servers, is_wiped: bool) -> None:
    here, there, client = servers
    room = make_group(here)
    ann, ben = enter(here, "ann", room), enter(there, "ben", room)
    ann.say(room, "before")
    ben.until(lambda: ben.shown(room))
    if is_wiped:
        client.flushall()
    client.client_kill_filter(_type="pubsub")
    assert remove(here, "ben", room) == 204
    eventually(lambda: all(server.is_ready() for server in (here, there)))
    for number in range(5):
        eventually(lambda number=number: said(here, "ann", room, number))  # type: ignore[misc]
    with pytest.raises(Refused) as refused:
        eventually(lambda: said(there, "ben", room, "x"))
    assert refused.value.code == "not-a-member"
    for each in (ann, ben):  # 4004: come back, because Redis lost what would have to be replayed
        if each.close_code is None:
            each.ask("heartbeat")
        else:
            assert (each.close_code, is_wiped) == (4004, True)
    assert [each["content"] for each in ben.shown(room)] == ["before"]


def said(server: ChatServer, who: str, room: str, what: object) -> bool:
    """Say it on a connection of its own, unless Redis is just being found again."""
    with ChatClient(server.ws_url, server.token(who)) as client:
        try:
            client.say(room, str(what))
        except Refused as refused:
            if refused.error["code"] == "unavailable":
                return False
            raise
        return True


def test_a_change_is_told_when_redis_has_just_lost_everything(servers) -> None:
    here, there, client = servers
    room = make_group(here)
    ann, ben = enter(here, "ann", room), enter(there, "ben", room)
    ann.say(room, "before")
    ben.until(lambda: ben.shown(room))
    client.flushall()
    path = f"/api/v1/rooms/{room}"
    assert here.request("PATCH", path, {"name": "We"}, here.token("ann")).status_code == 200
    for each in (ann, ben):
        each.until(lambda each=each: each.of("room-updated"))  # type: ignore[misc]
        assert each.of("room-updated")[-1]["room"]["name"] == "We"


def test_what_a_killed_server_had_stored_is_told_by_the_workers() -> None:
    with ChatSystem() as system:
        room = make_group(system)
        ann, ben = enter(system, "ann", room), enter(system, "ben", room)
        command = ["-m", "tests.support.dying_server", system.redis_url, str(system.store_path), room, "ann", "ben"]
        ended = subprocess.run([sys.executable, *command], cwd=ROOT, timeout=60, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert ann.of("room-updated") == []
        start = time.monotonic()
        for each in (ann, ben):
            each.until(lambda each=each: each.of("room-updated"), SWEPT_WITHIN_S)  # type: ignore[misc]
            [told] = each.of("room-updated")
            assert (told["change"], told["userId"]) == ("member-removed", "ben")
        print(f"\ntold after {time.monotonic() - start:.1f} s")
        with pytest.raises(Refused) as refused:
            ben.say(room, "still here?")
        assert refused.value.code == "not-a-member"
        assert system.redis.zcard(keys.intents(keys.shard_of(room))) == 0
        eventually(lambda: system.stats()["changesFinished"] == 1)
