"""A server and a worker with small limits: what happens when they are reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from chat.broker import keys
from tests.support.chat_client import Refused
from tests.support.chat_system import ROOT, LoneServer, room_name
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually
from tests.support.workers import WorkerProcess

pytestmark = pytest.mark.fault
OUTBOX, GIVE_UP_S = 20, 2
SETTINGS = {
    "AUTH_MODE": "dev",
    "LOG_LENGTH": "100",  # more than may be unsettled when somebody leaves
    "MAX_MESSAGES_PER_S": "0",
    "MAX_OUTBOX": str(OUTBOX),
    "PERSIST_GIVE_UP_S": str(GIVE_UP_S),
}
LOG_NODE = 100  # Redis trims a stream by whole nodes of so many entries


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneServer]:
    folder = tmp_path_factory.mktemp("worker")
    with (
        ValkeyProcess() as valkey,
        LoneServer(valkey.url, SETTINGS) as server,
        WorkerProcess(server.settings, folder),
    ):
        yield server


@pytest.fixture
def server(running: LoneServer) -> Iterator[LoneServer]:
    yield running
    running.close_clients()


@pytest.fixture
def room() -> str:
    return room_name()


def dead_letters(server: LoneServer, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "workers.dead_letters", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **server.settings}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_recovered_is_false_when_the_log_was_trimmed(server: LoneServer, room: str) -> None:
    sender, late = server.client(), server.client()
    position = sender.join(room)
    sent = 2 * LOG_NODE + 10
    for number in range(sent):
        sender.say(room, f"{number}")
        if number % 10 == 9:  # no more than the outbox takes
            sender.until(lambda number=number: len(sender.confirmed()) == number + 1)  # type: ignore[misc]
    told = late.join(room, since={room: {"epoch": position["epoch"], "offset": 1}})
    assert told["recovered"] is False
    assert (told["offset"], told["last_seq"]) == (sent, sent)
    assert late.shown(room) == []
    assert [each["seq"] for each in late.history(room)] == list(range(1, sent + 1))
    near = server.client()
    told = near.join(room, since={room: {"epoch": position["epoch"], "offset": sent - 3}})
    assert told["recovered"] is True
    assert near.seqs(room) == [sent - 2, sent - 1, sent]


def test_senders_are_told_to_try_again_when_too_much_waits_to_be_stored(server: LoneServer, room: str) -> None:
    sender, listener = server.client(), server.client()
    for each in (sender, listener):
        each.join(room)
    with server.locked_store():
        for number in range(3 * OUTBOX):
            sender.shout(room, f"{number}", f"t-{number}")
        sender.until(lambda: len(sender.of("message-failed")) == 2 * OUTBOX)
        failed = sender.of("message-failed")
        with pytest.raises(Refused) as refused:
            sender.say(room, "one more", "t-more")
        assert refused.value.code == "overloaded"
        listener.until(lambda: len(listener.shown(room)) == OUTBOX)
    assert {(each["error"]["code"], each["error"]["retryable"]) for each in failed} == {("overloaded", True)}
    assert {each["tempId"] for each in failed} == {f"t-{number}" for number in range(OUTBOX, 3 * OUTBOX)}
    sender.until(lambda: len(sender.confirmed()) == OUTBOX)
    assert sender.say(room, "again", f"t-{OUTBOX}")["seq"] == OUTBOX + 1
    sender.until(lambda: len(sender.confirmed()) == OUTBOX + 1)
    listener.until(lambda: len(listener.confirmed_seqs()) == OUTBOX + 1)
    assert listener.seqs(room) == list(range(1, OUTBOX + 2))


def test_a_message_is_given_up_and_can_be_driven_again_when_the_store_is_away_too_long(
    server: LoneServer, room: str
) -> None:
    sender, listener = server.client(), server.client()
    for each in (sender, listener):
        position = each.join(room)
    with server.locked_store():
        start = time.monotonic()
        sender.say(room, "too late", "t-1")
        [failed] = sender.until(lambda: sender.of("message-failed"), 60)
        took_s = time.monotonic() - start
        [retracted] = listener.until(lambda: listener.of("message-retracted"))
    print(f"\ngiven up after {took_s:.2f} s with PERSIST_GIVE_UP_S={GIVE_UP_S}")
    assert took_s < GIVE_UP_S + 8
    assert failed["tempId"] == "t-1"
    assert (failed["error"]["code"], failed["error"]["retryable"]) == ("store-unavailable", True)
    assert retracted["messageId"] == listener.shown(room)[0]["id"]
    assert sender.fates(room, "t-1")["t-1"]["state"] == "failed"
    assert listener.history(room) == []
    late = server.client()
    assert late.join(room, since={room: {"epoch": position["epoch"], "offset": 0}})["recovered"] is True
    assert late.of("message-retracted") == [retracted]

    letters: list[dict[str, Any]] = [json.loads(each) for each in dead_letters(server, "list", "--json")]
    [letter] = [each for each in letters if each["room_id"] == room]
    assert (letter["temp_id"], letter["code"]) == ("t-1", "store-unavailable")
    assert dead_letters(server, "redrive", letter["id"]) == [f"{letter['id']} accepted"]
    sender.until(lambda: sender.confirmed() == {"t-1": 1})
    assert [(each["seq"], each["content"]) for each in listener.history(room)] == [(2, "too late")]
    assert not any(room in each for each in dead_letters(server, "list", "--json"))


def test_what_redis_lost_before_it_was_stored_is_taken_back_and_stays_away(server: LoneServer, room: str) -> None:
    sender, listener = server.client(), server.client()
    for each in (sender, listener):
        each.join(room)
    sender.say(room, "kept", "t-0")
    sender.until(lambda: sender.confirmed())
    with server.locked_store(), redis.Redis.from_url(server.settings["REDIS_URL"]) as client:
        sender.say(room, "lost", "t-1")
        outbox = keys.outbox(keys.shard_of(room))
        eventually(lambda: client.xpending(outbox, keys.GROUP)["pending"] == 1)  # a worker has it in hand
        client.flushall()
        ended = sender.until(lambda: sender.of("message-failed") or sender.confirmed()["t-1"], 30)
    print("\nended:", ended)
    assert [each["tempId"] for each in sender.of("message-failed")] == ["t-1"]
    listener.until(lambda: len(listener.of("message-retracted")) == 1 or listener.close_code)
    # A worker that still had it in hand would store it now: what was taken back must not come back.
    later = time.monotonic() + 1
    eventually(lambda: len(server.stored(room)) > 1 or time.monotonic() > later)
    assert [each["content"] for each in server.stored(room)] == ["kept"]
    reader = server.client()
    assert reader.say(room, "news", "t-2")["state"] == "pending"
    reader.until(lambda: reader.confirmed())
    assert [each["content"] for each in reader.history(room)] == ["kept", "news"]
