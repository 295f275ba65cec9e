"""Those who come back get exactly what they missed, or are told that they can't."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatSystem


def talk(client: ChatClient, room: str, count: int) -> None:
    """Send so many messages and wait until all are confirmed."""
    before = len(client.of("message-confirmed"))
    for number in range(count):
        client.shout(room, f"message {number}")
    client.until(lambda: len(client.of("message-confirmed")) == before + count)


def durable(event: dict[str, Any]) -> dict[str, Any]:
    """Return a shown message as it is shown once it is durable."""
    return {name: value for name, value in event.items() if name != "confirm_by"} | {"_temp": False}


def test_exactly_the_missed_events_are_replayed_when_a_client_resumes(system: ChatSystem, room: str) -> None:
    sender, away = system.client(), system.client()
    sender.join(room)
    position = away.join(room)
    talk(sender, room, 3)
    away.until(lambda: len(away.shown(room)) == 3)
    seen = away.shown(room)[-1]["offset"]
    away.drop()
    talk(sender, room, 12)

    back = system.client()
    told = back.join(room, since={room: {"epoch": position["epoch"], "offset": seen}})

    assert told["recovered"] is True
    assert (told["epoch"], told["offset"], told["last_seq"]) == (position["epoch"], 15, 15)
    missed = [durable(each) for each in sender.shown(room)[3:]]
    names = [each["event"] for each in back.events]
    replayed = back.events[1 : names.index("ack")]  # between the welcome and the answer
    assert [each["data"] for each in replayed] == missed
    assert all(each["event"] == "new-chat-message" for each in replayed)
    talk(sender, room, 1)
    back.until(lambda: back.seqs(room)[-1] == 16)
    assert back.seqs(room) == list(range(4, 17))


def test_nothing_is_replayed_when_nothing_was_missed(system: ChatSystem, room: str) -> None:
    client = system.client()
    client.join(room)
    talk(client, room, 2)
    position = client.join(room)
    again = client.join(room, since={room: {"epoch": position["epoch"], "offset": position["offset"]}})
    assert again == position | {"recovered": True}
    assert client.seqs(room) == [1, 2]


@pytest.mark.parametrize(("epoch", "offset"), [("foreign0", 0), ("foreign0", 2), (None, 3), (None, 99)])
def test_recovered_is_false_when_the_position_is_not_of_this_log(
    system: ChatSystem, room: str, epoch: str | None, offset: int
) -> None:
    client = system.client()
    position = client.join(room)
    talk(client, room, 2)
    late = system.client()
    told = late.join(room, since={room: {"epoch": epoch or position["epoch"], "offset": offset}})
    assert told["recovered"] is False
    assert (told["epoch"], told["offset"]) == (position["epoch"], 2)
    assert late.shown(room) == []
    client.say(room, "for both")
    late.until(lambda: late.shown(room))
    assert late.seqs(room) == [3]


def test_live_messages_follow_on_when_a_client_resumes_in_the_middle_of_a_talk(
    system: ChatSystem, room: str
) -> None:
    senders = [system.client() for _ in range(4)]
    position = [each.join(room) for each in senders].pop()
    late: list[ChatClient] = []
    for number in range(30):
        for each in senders:
            each.shout(room, f"{number}")
        if number % 6 == 5:
            client = system.client()
            late.append(client)
            since = {room: {"epoch": position["epoch"], "offset": number}}
            client.send("join-chat-rooms", {"roomIds": [room], "since": since}, "join")
    for number, client in enumerate(late):
        client.until(lambda client=client: client.seqs(room)[-1:] == [120])  # type: ignore[misc]
        answer = client.until(lambda client=client: client.answer("join"))  # type: ignore[misc]
        assert answer["result"]["rooms"][room]["recovered"] is True
        assert client.seqs(room) == list(range(number * 6 + 6, 121))
        offsets = [each["offset"] for each in client.shown(room)]
        assert offsets == client.seqs(room)


def test_a_replayed_message_is_confirmed_later_when_it_was_not_stored_yet(system: ChatSystem, room: str) -> None:
    sender = system.client()
    position = sender.join(room)
    with system.locked_store():
        sender.say(room, "waits")
        back = system.client()
        told = back.join(room, since={room: {"epoch": position["epoch"], "offset": 0}})
        assert told["recovered"] is True
        assert [each["_temp"] for each in back.shown(room)] == [True]
    back.until(lambda: back.confirmed_seqs() == {1: 1})


def test_what_was_seen_as_temporary_is_confirmed_when_it_was_stored_while_the_client_was_away(
    system: ChatSystem, room: str
) -> None:
    sender, away = system.client(), system.client()
    sender.join(room)
    position = away.join(room)
    with system.locked_store():
        sender.shout(room, "not stored yet")
        away.until(lambda: away.shown(room))
        away.drop()
    sender.until(lambda: sender.of("message-confirmed"))

    back = system.client()
    told = back.join(room, since={room: {"epoch": position["epoch"], "offset": 1}})

    assert told["recovered"] is True
    assert not back.shown(room)
    assert back.until(lambda: back.of("messages-confirmed")) == [{"roomId": room, "seqs": [1]}]
