"""The whole system under fire: nothing accepted is lost, doubled or out of order."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import VALKEY, WEB, WORKERS, ChatSystem, paced
from tests.support.wait import eventually

pytestmark = pytest.mark.fault
HEAL_S = 40  # on a busy machine; what it really took is printed


def join_all(system: ChatSystem, room: str, count: int) -> list[ChatClient]:
    clients = [system.client() for _ in range(count)]
    for each in clients:
        each.join(room)
    return clients


def assert_all_is_well(
    system: ChatSystem, room: str, senders: list[ChatClient], listeners: list[ChatClient]
) -> None:
    """Everyone saw everything once and in order, each sender's messages are confirmed once, history is complete."""
    total = sum(len(each.sent) for each in senders)
    for each in senders:
        each.until(lambda each=each: len(each.confirmed()) == len(each.sent), HEAL_S)  # type: ignore[misc]
        assert each.confirmed() == Counter(each.sent)
        assert each.of("message-failed") == each.of("message-retracted") == each.of("error") == []
    for each in [*senders, *listeners]:
        each.until(lambda each=each: len(each.seqs(room)) >= total, HEAL_S)  # type: ignore[misc]
        assert each.seqs(room) == list(range(1, total + 1))
    for each in listeners:
        each.until(lambda each=each: len(each.confirmed_seqs()) == total, HEAL_S)  # type: ignore[misc]
        assert set(each.confirmed_seqs().values()) == {1}
    history = listeners[0].history(room)
    assert [each["seq"] for each in history] == list(range(1, total + 1))
    assert len({each["id"] for each in history}) == total
    assert not any(each["_temp"] for each in history)
    assert Counter((each["sender_id"], each["temp_id"]) for each in history) == Counter(
        (each.user_id, temp_id) for each in senders for temp_id in each.sent
    )
    assert len(system.stored(room)) == total


def all_of(system: ChatSystem, having: str, count: int) -> list[psutil.Process]:
    """Return the processes of a kind, none while they are not complete."""
    found = system.processes(having)
    return found if len(found) >= count else []


def suspend_all(system: ChatSystem, having: str) -> list[psutil.Process]:
    """Stop all processes of a kind and return them; one that was only passing through may be gone."""
    stopped: dict[int, psutil.Process] = {}
    while fresh := [each for each in system.processes(having) if each.pid not in stopped]:
        for each in fresh:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
            stopped[each.pid] = each
    return list(stopped.values())


def slow_store_down(system: ChatSystem, is_slow: bool) -> None:
    """Let each insert search a table, so that a kill meets a drain at work."""
    database = sqlite3.connect(system.store_path, timeout=30)
    with database:
        database.execute("DROP TRIGGER IF EXISTS slow")
        database.execute("DROP TABLE IF EXISTS straw")
        if is_slow:
            database.execute("CREATE TABLE straw (n)")
            database.executemany("INSERT INTO straw VALUES (?)", [(n,) for n in range(20_000)])
            database.execute("CREATE TRIGGER slow AFTER INSERT ON message BEGIN SELECT count(*) FROM straw; END")
    database.close()


def test_each_message_is_confirmed_once_when_all_workers_are_killed_three_times(
    system: ChatSystem, busy_room: str
) -> None:
    clients = join_all(system, busy_room, 6)
    senders, listeners = clients[:4], clients[4:]
    restarts = system.stack.output.count("worker-persist died (SIGKILL), started again")
    slow_store_down(system, True)
    waiting = []
    for _ in range(3):
        eventually(lambda: all_of(system, WORKERS, 6), HEAL_S)
        before = sum(len(each.confirmed()) for each in senders)
        for _ in paced(10, 0.02):
            for each in senders:
                each.shout_many(busy_room, 9)
        eventually(lambda before=before: sum(len(each.confirmed()) for each in senders) > before, HEAL_S, 0.005)  # type: ignore[misc]
        workers = suspend_all(system, WORKERS)  # at work: what comes now surely waits for the next ones
        for sender in senders:
            sender.shout_many(busy_room, 35)
        eventually(lambda: system.stats()["outboxLength"] >= 140, HEAL_S)
        for worker in workers:
            with suppress(psutil.NoSuchProcess):  # a child may go with its parent
                worker.kill()
        killed_at = time.monotonic()
        waiting.append(system.stats()["outboxLength"])
    slow_store_down(system, False)

    assert_all_is_well(system, busy_room, senders, listeners)
    healed_s = time.monotonic() - killed_at
    sent = sum(len(each.sent) for each in senders)
    print(f"\n{sent} messages, 3 kills with {waiting} waiting, all is well {healed_s:.1f} s after the last")
    assert min(waiting) >= 140, "a kill came too late to prove anything"
    system.stack.await_line("worker-persist died (SIGKILL), started again", restarts + 3)


def test_nobody_misses_anything_when_the_subscription_is_cut_twenty_times(
    system: ChatSystem, busy_room: str
) -> None:
    clients = join_all(system, busy_room, 7)
    senders, listeners = clients[:4], clients[4:]
    start = time.monotonic()
    with system.redis as client:

        def cut() -> bool:
            before = system.stack.output.count("relay-connection-lost")
            client.client_kill_filter(_type="pubsub")
            try:
                eventually(lambda: system.stack.output.count("relay-connection-lost") > before, 0.5, 0.005)
            except AssertionError:
                return False  # it was not connected again yet
            return True

        for _ in paced(20, 0.15):
            for each in senders:
                each.shout_many(busy_room, 12)
            eventually(cut)
            for each in senders:
                each.shout_many(busy_room, 13)
    last_cut = time.monotonic()

    assert_all_is_well(system, busy_room, senders, listeners)
    end = time.monotonic()
    print(
        f"\n2000 messages, 20 cuts in {last_cut - start:.1f} s, all is well {end - last_cut:.1f} s after the last"
    )
    assert all(each.close_code is None for each in clients)


def test_numbers_and_temp_ids_outlive_the_loss_of_all_that_redis_knew(system: ChatSystem, busy_room: str) -> None:
    token = system.token(f"user-{busy_room}")
    first, second, listener = system.client(token), system.client(token), system.client()
    for each in (first, second, listener):
        each.join(busy_room)
    for number in range(3):
        listener.say(busy_room, "before", f"b-{number}")
    answers = [first.say(busy_room, "once", "same"), second.say(busy_room, "once", "same")]
    for each in (first, second):
        each.until(lambda each=each: each.confirmed())  # type: ignore[misc]
    answers += [second.say(busy_room, "once", "same")]
    assert [each.seqs(busy_room) for each in (first, second, listener)] == [[1, 2, 3, 4]] * 3
    with system.redis as client:
        client.flushall()
    answers += [first.say(busy_room, "once", "same"), second.say(busy_room, "once", "same")]

    assert {(each["id"], each["seq"]) for each in answers} == {(answers[0]["id"], 4)}
    assert [each["state"] for each in answers[2:]] == ["confirmed"] * 3
    assert first.fates(busy_room, "same")["same"]["state"] == "confirmed"
    assert listener.say(busy_room, "after", "a-0")["seq"] == 5
    for each in (first, second, listener):
        goes_on = each.until(lambda each=each: each.seqs(busy_room) == [1, 2, 3, 4, 5] or each.close_code, 15)  # type: ignore[misc]
        print("\ngoes on" if goes_on is True else f"\nclosed with {goes_on}", end="")
        assert goes_on in (True, 4004)
    reader = system.client()
    assert reader.join(busy_room)["last_seq"] == 5
    eventually(lambda: len(system.stored(busy_room)) == 5, HEAL_S)
    assert [each["temp_id"] for each in reader.history(busy_room)] == ["b-0", "b-1", "b-2", "same", "a-0"]


def test_clients_resume_where_they_were_when_the_web_server_was_killed(system: ChatSystem, busy_room: str) -> None:
    tokens = [system.token(f"user-{number}-{busy_room}") for number in range(6)]
    clients = [system.client(token) for token in tokens]
    joined = [each.join(busy_room) for each in clients]
    [web] = system.processes(WEB)
    for each in clients:
        each.shout_many(busy_room, 40)
    clients[0].until(lambda: clients[0].seqs(busy_room))
    web.kill()
    killed_at = time.monotonic()
    for each in clients:
        each.until_closed()
    system.await_ready(HEAL_S)
    ready_s = time.monotonic() - killed_at

    back = [system.client(token) for token in tokens]
    resent = 0
    for old, client, at in zip(clients, back, joined, strict=True):
        offset = max([each["offset"] for each in old.shown(busy_room)], default=at["offset"])
        since = {busy_room: {"epoch": at["epoch"], "offset": offset}}
        assert client.join(busy_room, since=since)["recovered"] is True
        for temp_id, fate in client.fates(busy_room, *old.sent).items():
            if fate["state"] == "unknown":
                client.say(busy_room, "again", temp_id)
                resent += 1
    for old, client in zip(clients, back, strict=True):
        client.until(lambda old=old, client=client: 240 in old.seqs(busy_room) + client.seqs(busy_room))  # type: ignore[misc]
        assert old.seqs(busy_room) + client.seqs(busy_room) == list(range(1, 241))
    eventually(lambda: len(system.stored(busy_room)) == 240, HEAL_S)
    history = back[0].history(busy_room)
    assert [each["seq"] for each in history] == list(range(1, 241))
    assert Counter((each["sender_id"], each["temp_id"]) for each in history) == Counter(
        (each.user_id, temp_id) for each in clients for temp_id in each.sent
    )
    print(f"\nweb was back after {ready_s:.1f} s, {240 - resent} of 240 messages accepted before, {resent} resent")


def test_no_accepted_message_is_lost_when_redis_is_killed(system: ChatSystem, busy_room: str) -> None:
    sender, listener = join_all(system, busy_room, 2)
    accepted: dict[str, int] = {}
    refused: list[str] = []
    killed_at = healed_at = 0.0
    number = 0
    while not healed_at or number < 400:
        if number == 200:
            system.kill(VALKEY)
            killed_at = time.monotonic()
        try:
            accepted[f"t-{number}"] = sender.say(busy_room, f"{number}", f"t-{number}")["seq"]
        except Refused as exc:
            refused.append(exc.code)
            continue  # the same again
        number += 1
        if killed_at and not healed_at and number > 200:
            healed_at = time.monotonic()

    total = len(accepted)
    assert set(refused) <= {"unavailable"}
    assert list(accepted.values()) == list(range(1, total + 1))
    sender.until(lambda: len(sender.confirmed()) == total, HEAL_S)
    assert set(sender.confirmed().values()) == {1}
    listener.until(lambda: len(listener.confirmed_seqs()) == total, HEAL_S)
    assert sender.seqs(busy_room) == listener.seqs(busy_room) == list(range(1, total + 1))
    assert {each["temp_id"]: each["seq"] for each in listener.history(busy_room)} == accepted
    print(
        f"\n{total} accepted, {len(refused)} refused, accepting again {healed_at - killed_at:.1f} s after the kill"
    )


def test_people_keep_chatting_when_the_store_is_locked_for_eight_seconds(
    system: ChatSystem, busy_room: str
) -> None:
    clients = join_all(system, busy_room, 4)
    senders, listeners = clients[:2], clients[2:]
    slowest_s = 0.0
    with system.locked_store():
        for _ in paced(32, 0.25):
            start = time.monotonic()
            for each in senders:
                each.shout_many(busy_room, 10)
            sent = sum(len(each.sent) for each in senders)
            listeners[0].until(lambda sent=sent: len(listeners[0].seqs(busy_room)) == sent, 5)  # type: ignore[misc]
            slowest_s = max(slowest_s, time.monotonic() - start)
        assert system.stored(busy_room) == []
        assert len(listeners[1].history(busy_room)) == sent
    unlocked_at = time.monotonic()

    assert_all_is_well(system, busy_room, senders, listeners)
    took_s = time.monotonic() - unlocked_at
    shown_ms = slowest_s * 1000
    print(f"\n{sent} messages while locked, shown within {shown_ms:.0f} ms, all confirmed {took_s:.1f} s after")


def test_a_stopped_web_server_comes_back_and_its_clients_too(system: ChatSystem, busy_room: str) -> None:
    clients = join_all(system, busy_room, 5)
    epoch = clients[0].join(busy_room)["epoch"]
    for each in clients:
        each.say(busy_room, "before")
    [web] = system.processes(WEB)
    start = time.monotonic()
    web.terminate()
    for each in clients:
        assert each.until_closed() == 1001
        assert each.events[-1]["event"] == "server-leaving"
    eventually(lambda: not web.is_running(), 10)
    exited_s = time.monotonic() - start
    system.await_ready(HEAL_S)
    for old in clients:
        client = system.client()
        since = {busy_room: {"epoch": epoch, "offset": max(old.seqs(busy_room), default=0)}}
        assert client.join(busy_room, since=since)["recovered"] is True
        assert old.seqs(busy_room) + client.seqs(busy_room) == [1, 2, 3, 4, 5]
    print(f"\nexit after {exited_s:.2f} s")
