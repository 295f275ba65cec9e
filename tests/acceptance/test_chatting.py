"""People in a room, from outside: what is sent is shown at once, to everyone and in one order, then confirmed."""

from __future__ import annotations

import pytest

from tests.support.chat_client import Refused
from tests.support.chat_system import ChatSystem, room_name


def test_a_message_is_shown_to_everyone_and_confirmed_when_somebody_sends_it(system: ChatSystem, room: str) -> None:
    sender, listener = system.client(), system.client()
    sender.join(room)
    listener.join(room)

    accepted = sender.say(room, "hello", "t-1")

    assert accepted == {"tempId": "t-1", "id": accepted["id"], "seq": 1, "state": "pending"}
    [confirmed] = sender.until(lambda: sender.of("message-confirmed"))
    listener.until(lambda: listener.confirmed_seqs())
    [shown], [heard] = sender.shown(room), listener.shown(room)
    assert shown == heard
    assert shown["_temp"] is True
    assert shown["confirm_by"] > shown["created_at"]
    expected = {"content": "hello", "temp_id": "t-1", "seq": 1, "sender_id": sender.user_id, "room_id": room}
    assert expected.items() <= shown.items()
    assert confirmed["tempId"] == "t-1"
    assert confirmed["realId"] == shown["id"] == accepted["id"]
    only_shown = ("_temp", "confirm_by", "offset")
    durable = {name: value for name, value in shown.items() if name not in only_shown} | {"_temp": False}
    assert confirmed["message"] == durable
    assert listener.of("message-confirmed") == []
    assert sender.confirmed_seqs() == {}
    assert listener.confirmed_seqs() == {1: 1}


def test_a_sender_hears_of_its_message_when_it_has_not_joined_the_room(system: ChatSystem, room: str) -> None:
    sender, listener = system.client(), system.client()
    listener.join(room)

    sender.shout(room, "from outside", "t-1")

    sender.until(lambda: sender.confirmed())
    listener.until(lambda: listener.shown(room))
    assert sender.shown(room) == listener.shown(room)
    listener.say(room, "not for those outside")
    sender.ask("heartbeat")
    assert len(sender.shown(room)) == 1


def test_both_devices_are_told_when_one_of_them_sends(system: ChatSystem, room: str) -> None:
    token = system.token(f"user-{room}")
    phone, laptop = system.client(token), system.client(token)
    phone.join(room)
    laptop.join(room)

    phone.say(room, "hello", "t-1")

    for device in (phone, laptop):
        device.until(lambda device=device: device.confirmed())  # type: ignore[misc]
        assert device.seqs(room) == [1]
        assert device.confirmed() == {"t-1": 1}
        assert device.confirmed_seqs() == {}


def test_nothing_more_is_heard_when_a_client_has_left(system: ChatSystem, room: str) -> None:
    sender, leaver = system.client(), system.client()
    for each in (sender, leaver):
        each.join(room)
    sender.say(room, "before")
    leaver.until(lambda: leaver.confirmed_seqs())

    assert leaver.ask("leave-chat-rooms", {"roomIds": [room]}) == {"roomIds": [room]}
    sender.say(room, "after")
    sender.until(lambda: len(sender.confirmed()) == 2)

    leaver.ask("heartbeat")
    assert leaver.seqs(room) == [1]
    assert leaver.join(room)["last_seq"] == 2


def test_everyone_sees_the_same_order_when_many_talk_at_once(system: ChatSystem, room: str) -> None:
    people = [system.client() for _ in range(8)]
    for each in people:
        each.join(room)
    for number in range(10):
        for each in people:
            each.shout(room, f"{number}", f"t-{number}")

    for each in people:
        each.until(lambda each=each: len(each.seqs(room)) == 80 and len(each.confirmed()) == 10)  # type: ignore[misc]
        assert each.seqs(room) == list(range(1, 81))
        assert set(each.confirmed().values()) == {1}
        each.until(lambda each=each: len(each.confirmed_seqs()) == 70)  # type: ignore[misc]
        assert set(each.confirmed_seqs().values()) == {1}
    assert len({tuple(m["id"] for m in each.shown(room)) for each in people}) == 1


def test_history_is_paged_both_ways(system: ChatSystem, room: str) -> None:
    sender = system.client()
    sender.join(room)
    for number in range(1, 36):
        sender.shout(room, f"message {number}")
    sender.until(lambda: len(sender.confirmed()) == 35)

    def page(**asked: int) -> tuple[list[int], bool]:
        told = sender.ask("get-messages", {"roomId": room, **asked})
        return [each["seq"] for each in told["messages"]], told["has_more"]

    assert page(limit=10) == (list(range(26, 36)), True)
    assert page(limit=10, before=26) == (list(range(16, 26)), True)
    assert page(limit=10, before=6) == (list(range(1, 6)), False)
    assert page(limit=10, before=1) == ([], False)
    assert page(limit=10, after=0) == (list(range(1, 11)), True)
    assert page(limit=10, after=25) == (list(range(26, 36)), False)
    assert page(limit=10, after=30) == (list(range(31, 36)), False)
    assert page(limit=10, after=35) == ([], False)
    assert page(limit=200) == (list(range(1, 36)), False)
    told = sender.history(room, page=7)
    assert [each["content"] for each in told] == [f"message {number}" for number in range(1, 36)]
    assert all(each["_temp"] is False for each in told)


def test_names_are_taken_in_both_spellings(system: ChatSystem, room: str) -> None:
    client = system.client()
    client.ask("join-chat-rooms", {"room_ids": [room]})
    client.ask("send-chat-message", {"room_id": room, "content": "one", "tempId": "t-1"})
    assert client.ask("get-send-fate", {"room_id": room, "tempIds": ["t-1"]})["fates"]["t-1"]["seq"] == 1
    assert len(client.ask("get-messages", {"room_id": room})["messages"]) == 1


def test_one_message_exists_when_its_temp_id_is_sent_five_times(system: ChatSystem, room: str) -> None:
    token = system.token(f"user-{room}")
    first, second, listener = system.client(token), system.client(token), system.client()
    for each in (first, second, listener):
        each.join(room)
    answers = [first.say(room, "once", "same") for _ in range(2)]
    first.shout(room, "once", "same")
    answers += [second.say(room, "other words", "same") for _ in range(2)]
    second.until(lambda: second.confirmed())
    answers.append(second.say(room, "once", "same"))

    assert {(each["id"], each["seq"]) for each in answers} == {(answers[0]["id"], 1)}
    assert answers[-1]["state"] == "confirmed"
    # another sender's temp id is another message
    assert listener.say(room, "mine", "same")["seq"] == 2
    for each in (first, second, listener):
        each.until(lambda each=each: len(each.seqs(room)) == 2)  # type: ignore[misc]
        assert each.seqs(room) == [1, 2]
    assert [each["content"] for each in first.history(room)] == ["once", "mine"]


def test_a_message_is_shown_before_it_is_stored(system: ChatSystem, room: str) -> None:
    sender, listener = system.client(), system.client()
    for each in (sender, listener):
        each.join(room)
    with system.locked_store():
        sender.say(room, "soon durable", "t-1")
        listener.until(lambda: listener.shown(room), 2)
        assert system.stored(room) == []
        [waiting] = listener.ask("get-messages", {"roomId": room})["messages"]
        assert waiting["_temp"] is True
        assert sender.fates(room, "t-1", "t-2") == {
            "t-1": {"state": "pending", "id": waiting["id"], "seq": 1},
            "t-2": {"state": "unknown"},
        }
        assert sender.say(room, "soon durable", "t-1")["state"] == "pending"
        assert sender.confirmed() == {}
    sender.until(lambda: sender.confirmed())
    listener.until(lambda: listener.confirmed_seqs())
    assert sender.fates(room, "t-1")["t-1"]["state"] == "confirmed"
    [stored] = listener.ask("get-messages", {"roomId": room})["messages"]
    assert stored == waiting | {"_temp": False}


def test_only_the_refused_message_of_a_batch_is_retracted(system: ChatSystem, room: str) -> None:
    sender, listener = system.client(), system.client()
    for each in (sender, listener):
        each.join(room)
    contents = [f"good {number}" for number in range(20)]
    contents[7] = "poison in it"
    with system.locked_store():  # so that they come in one batch
        for number, content in enumerate(contents):
            sender.shout(room, content, f"t-{number}")
        listener.until(lambda: len(listener.shown(room)) == 20)

    [failed] = sender.until(lambda: sender.of("message-failed"))
    [retracted] = listener.until(lambda: listener.of("message-retracted"))
    sender.until(lambda: len(sender.confirmed()) == 19)
    listener.until(lambda: len(listener.confirmed_seqs()) == 19)
    poisoned = listener.shown(room)[7]
    assert failed["tempId"] == "t-7"
    assert failed["error"]["retryable"] is False
    assert retracted["messageId"] == poisoned["id"]
    assert retracted["offset"] == 21
    assert sender.confirmed() == {f"t-{number}": 1 for number in range(20) if number != 7}
    assert listener.of("message-failed") == []
    assert sender.of("message-retracted") == []
    history = listener.history(room)
    assert [each["content"] for each in history] == [each for each in contents if each != "poison in it"]
    fate = sender.fates(room, "t-6", "t-7")
    assert fate["t-6"]["state"] == "confirmed"
    assert (fate["t-7"]["state"], fate["t-7"]["error"]["retryable"]) == ("failed", False)
    assert sender.say(room, "poison in it", "t-7")["state"] == "failed"
    late = system.client()
    replayed = late.join(room, since={room: {"epoch": listener.join(room)["epoch"], "offset": 0}})
    assert replayed["recovered"] is True
    assert late.of("message-retracted") == [retracted]


def test_a_heartbeat_is_answered_with_the_time(system: ChatSystem) -> None:
    client = system.client()
    welcome = client.until(lambda: client.of("welcome"))[0]
    assert welcome["heartbeatSeconds"] == 30
    assert welcome["limits"]["messagesPerSecond"] == 20
    client.send("heartbeat")
    [beat] = client.until(lambda: client.of("heartbeat"))
    assert beat["serverTime"] >= welcome["serverTime"]
    assert client.ask("heartbeat")["serverTime"] >= beat["serverTime"]


def test_several_rooms_are_joined_at_once_and_kept_apart(system: ChatSystem) -> None:
    rooms = [room_name() for _ in range(3)]
    client, other = system.client(), system.client()
    told = client.ask("join-chat-rooms", {"roomIds": rooms})["rooms"]
    assert sorted(told) == sorted(rooms)
    other.join(rooms[1])
    for room in rooms:
        client.say(room, room)
    other.until(lambda: other.confirmed_seqs())
    client.until(lambda: len(client.of("message-confirmed")) == 3)
    assert [each["room_id"] for each in other.shown()] == [rooms[1]]
    assert {each["room_id"]: each["seq"] for each in client.shown()} == dict.fromkeys(rooms, 1)


def test_sending_is_refused_when_somebody_is_too_fast(system: ChatSystem, room: str) -> None:
    client = system.client()
    client.join(room)
    for number in range(60):
        client.shout(room, f"{number}", f"t-{number}")
    with pytest.raises(Refused) as refused:
        client.say(room, "and one more", "t-60")
    assert refused.value.code == "rate-limited"
    assert refused.value.error["retryAfter"] > 0
    told = client.of("error")
    assert {(each["code"], each["event"]) for each in told} == {("rate-limited", "send-chat-message")}
    client.until(lambda: len(client.seqs(room)) + len(told) == 60)
    assert 40 <= len(client.seqs(room)) <= 55
    assert set(client.seqs(room)) == set(range(1, 61 - len(told)))
    client.ask("heartbeat")
