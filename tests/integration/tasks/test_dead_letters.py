"""Dead letters: listed, re-driven once, dropped."""

from __future__ import annotations

import json
import os

import pytest

from chat.broker.dead_letters import DeadLetter, DeadLetters
from chat.broker.push_dead import PushDeadLetters
from chat.broker.push_jobs import PushJobs
from chat.model.device import DeviceKind
from chat.model.push import Outcome, Target
from config.settings import load_settings
from tests.support.drainage import Drainage
from workers import dead_letters, push_letters


@pytest.fixture
def letters(room: Drainage) -> DeadLetters:
    """The room's letters: one, `bad`, refused for good."""
    room.refuse_poison()
    room.accept("bad", content="poison")
    room.drain()
    return DeadLetters(room.client, outbox_limit=1000, log_length=100, give_up_s=60)


def only(letters: DeadLetters) -> DeadLetter:
    [letter] = letters.read()
    return letter


def cure(room: Drainage) -> None:
    """Let the store take what it refused."""
    import sqlite3

    database = sqlite3.connect(room.path)
    database.execute("DROP TRIGGER no_poison")
    database.close()


def no_warming(_room_id: str) -> None:
    raise AssertionError("the room is warm")


def test_a_letter_tells_what_failed_and_why(room: Drainage, letters: DeadLetters) -> None:
    letter = only(letters)

    assert (letter.room_id, letter.sender_id, letter.temp_id) == (room.room_id, "ann", "bad")
    assert (letter.code, letters.count()) == ("refused", 1)
    assert b"poison" in letter.members
    assert letters.find(letter.letter_id) == letter


def test_a_redriven_message_is_stored_under_a_new_number(room: Drainage, letters: DeadLetters) -> None:
    cure(room)

    assert letters.redrive(only(letters), no_warming) == "accepted"
    room.drain()

    assert {seq: each["temp_id"] for seq, each in room.documents().items()} == {2: "bad"}
    assert room.told("message-confirmed") == {"bad": 1}
    assert letters.count() == 0


def test_a_letter_is_redriven_once_when_the_first_try_died_before_its_end(
    room: Drainage, letters: DeadLetters
) -> None:
    cure(room)
    letter = only(letters)
    letters._accept_again(letter)  # and dies

    assert letters.redrive(letter, no_warming) == "superseded"
    room.drain()

    assert (len(room.documents()), letters.count()) == (1, 0)


def test_a_letter_is_superseded_when_its_sender_sent_it_again(room: Drainage) -> None:
    room.put(1, b'{"id":"another","seq":1}')
    room.accept("t0")
    room.drain()  # a conflict, which the sender may send again
    assert room.accept("t0")[2].startswith("accepted")
    letters = DeadLetters(room.client, outbox_limit=1000, log_length=100, give_up_s=60)

    assert letters.redrive(only(letters), no_warming) == "superseded"
    room.drain()

    assert room.told("message-confirmed") == {"t0": 1}
    assert letters.count() == 0


def test_a_letter_stays_when_the_outbox_is_full(room: Drainage, letters: DeadLetters) -> None:
    room.accept("t0")
    full = DeadLetters(room.client, outbox_limit=1, log_length=100, give_up_s=60)

    assert full.redrive(only(letters), no_warming) == "overloaded"
    assert letters.count() == 1


def test_the_room_is_warmed_when_redis_has_forgotten_it(room: Drainage, letters: DeadLetters) -> None:
    letter = only(letters)
    room.client.flushall()

    assert letters.redrive(letter, lambda _room_id: room.warm(last_seq=1)) == "accepted"


def test_the_command_lists_redrives_and_drops(
    room: Drainage,
    letters: DeadLetters,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {
        "REDIS_URL": redis_url,
        "STORE_URL": f"sqlite:///{room.path}",
        "AUTH_MODE": "dev",
    }.items():
        monkeypatch.setenv(name, value)
    letter_id = only(letters).letter_id

    assert dead_letters.main(["list", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["id"], shown["temp_id"], shown["code"]) == (letter_id, "bad", "refused")
    assert dead_letters.main(["redrive", "--all"]) == 0
    assert capsys.readouterr().out == f"{letter_id} accepted\n"
    assert room.waiting() == 1
    room.drain()  # refused again: another letter
    second = only(letters).letter_id
    assert dead_letters.main(["drop", second]) == 0
    assert dead_letters.main(["drop", second]) == 1
    assert dead_letters.main(["redrive", "no-such-id"]) == 1
    assert letters.count() == 0


def test_letters_are_read_page_by_page(room: Drainage) -> None:
    room.refuse_poison()
    for each in ("bad1", "bad2", "bad3"):
        room.accept(each, content="poison")
    room.drain()
    letters = DeadLetters(room.client, outbox_limit=1000, log_length=100, give_up_s=60)
    found = list(letters.read())
    assert [each.temp_id for each in found] == ["bad1", "bad2", "bad3"]
    assert list(letters.read(found[0].letter_id)) == found[1:]
    assert list(letters.read(found[2].letter_id)) == []
    assert list(letters.read("nonsense")) == found


@pytest.fixture
def push_letter(room: Drainage) -> str:
    """The id of one notification that was given up."""
    jobs = PushJobs(room.client, [DeviceKind.FCM])
    jobs.note({Target(DeviceKind.FCM, room.room_id, "bob", "phone"): 3})
    [claimed] = jobs.claim(DeviceKind.FCM, 1)
    jobs.finish(claimed, Outcome.DEAD, reason="413")
    return PushDeadLetters(room.client, jobs).read()[0].letter_id


def run_on(room: Drainage, redis_url: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    for name, value in {"REDIS_URL": redis_url, "STORE_URL": f"sqlite:///{room.path}", "AUTH_MODE": "dev"}.items():
        monkeypatch.setenv(name, value)
    from workers import celery_app  # it reads the environment when it is imported

    # as in a process of its own, whenever it was imported first
    monkeypatch.setattr(celery_app, "app", celery_app.make_app(load_settings(os.environ)))
    return dead_letters.main(list(arguments))


def test_the_command_lists_redrives_and_drops_notifications(
    room: Drainage,
    push_letter: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_on(room, redis_url, monkeypatch, "list", "--pushes", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert push_letter.startswith(push_letters.PREFIXES)
    assert (told["id"], told["reason"], told["device_id"], told["seq"]) == (push_letter, "413", "phone", 3)
    assert run_on(room, redis_url, monkeypatch, "list", "--pushes") == 0
    assert "bob phone tries=1 '413'" in capsys.readouterr().out
    assert run_on(room, redis_url, monkeypatch, "list") == 0
    assert capsys.readouterr().out == ""
    assert run_on(room, redis_url, monkeypatch, "redrive", push_letter) == 0
    assert PushJobs(room.client, [DeviceKind.FCM]).waiting() == {DeviceKind.FCM: 1}
    assert run_on(room, redis_url, monkeypatch, "redrive", push_letter) == 1
    assert run_on(room, redis_url, monkeypatch, "drop", push_letter) == 1


def test_the_command_redrives_all_notifications(
    room: Drainage, push_letter: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_on(room, redis_url, monkeypatch, "redrive", "--all-pushes") == 0
    assert PushJobs(room.client, [DeviceKind.FCM]).waiting() == {DeviceKind.FCM: 1}
    assert room.client.keys("chat:push:lease:*") == [b"chat:push:lease:fcm"]  # somebody was woken
