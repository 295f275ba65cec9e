from __future__ import annotations

import pytest

from chat.errors import InvalidRequest, RateLimited, StoreUnavailable
from chat.model.events import document
from chat.model.message import message_key
from chat.protocol import commands
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.desk import Desk
from tests.support.local_server import ROOM, serving


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield store
    store.close()


@pytest.fixture
def desk(store):
    with serving() as server:
        yield Desk(server, store)


def acked(desk, state, seq=1, temp_id="t1"):
    epoch = desk.server.epoch
    return {"tempId": temp_id, "id": f"{ROOM}.{seq}.{epoch}", "seq": seq, "state": state}


def test_a_sender_in_the_room_is_answered_and_sees_it_with_the_others_when_it_is_accepted(desk):
    desk.server.join(desk.client)
    [ack] = desk.send()
    assert ack == {"event": "ack", "data": {"ack": 7, "ok": True, "result": acked(desk, "pending")}}
    desk.server.act(["hear", "turn"])
    [shown] = desk.client.told()
    assert (shown["event"], shown["data"]["temp_id"]) == ("new-chat-message", "t1")
    assert desk.nudges == 1


def test_a_sender_outside_the_room_is_shown_it_when_it_is_accepted(desk):
    ack, shown = desk.send()
    assert ack["data"]["result"]["state"] == "pending"
    assert (shown["event"], shown["data"]["_temp"], shown["data"]["offset"]) == ("new-chat-message", True, 1)
    assert shown["data"]["sender_name"] == "Ann"
    assert len(desk.server.hub.unconfirmed) == 1


def test_nothing_is_answered_when_no_ack_was_asked_for(desk):
    desk.server.join(desk.client)
    assert desk.send(ack=None) == []
    assert desk.nudges == 1


@pytest.mark.parametrize("state", ["pending", "confirmed"])
def test_a_resend_is_answered_with_the_first_ones_state_when_it_is_known(desk, state):
    desk.server.join(desk.client)
    desk.send()
    if state == "confirmed":
        desk.server.act(["confirm"])
    [ack] = desk.send(ack=8)
    assert ack["data"] == {"ack": 8, "ok": True, "result": acked(desk, state)}
    assert desk.nudges == 1


def test_a_resend_is_answered_with_the_reason_when_the_first_failed_for_good(desk):
    desk.server.join(desk.client)
    desk.send()
    desk.server.act(["retract"])
    error = {"code": "refused", "message": "too sad", "retryable": False}
    [ack] = desk.send()
    assert ack["data"]["result"] == acked(desk, "failed") | {"error": error}
    [failed] = desk.send(ack=None)
    assert failed == {"event": "message-failed", "data": {"tempId": "t1", "roomId": ROOM, "error": error}}


def test_a_resend_is_a_new_message_when_the_first_failure_was_retryable(desk):
    desk.server.join(desk.client)
    desk.send()
    desk.server.broker.retract(ROOM, 1, retryable=True)
    [ack] = desk.send()
    assert ack["data"]["result"] == acked(desk, "pending", seq=2)


def test_a_resend_without_ack_is_confirmed_again_when_the_message_is_stored(desk):
    desk.server.join(desk.client)
    desk.send()
    desk.server.act(["confirm"])
    name = f"{ROOM}.1.{desk.server.epoch}"
    desk.store.insert(Kind.MESSAGE, message_key(ROOM, 1), document(name, 1, b'"content":"edited"'))
    [told] = desk.send(ack=None)
    assert told["event"] == "message-confirmed"
    assert told["data"]["tempId"] == "t1"
    assert told["data"]["realId"] == told["data"]["message"]["id"] == name
    assert (told["data"]["message"]["_temp"], told["data"]["message"]["content"]) == (False, "edited")


def test_a_resend_without_ack_is_not_answered_when_the_store_is_away(desk):
    desk.server.join(desk.client)
    desk.send()
    desk.server.act(["confirm"])
    desk.store.close()
    assert desk.send(ack=None) == []


@pytest.mark.parametrize("ack", [7, None])
def test_the_sender_may_try_again_when_the_outbox_is_full(desk, ack):
    desk.server.broker.outbox_limit = 0
    failed, *rest = desk.send(ack=ack)
    assert failed["event"] == "message-failed"
    assert (failed["data"]["tempId"], failed["data"]["error"]["retryable"]) == ("t1", True)
    assert [each["data"]["ok"] for each in rest] == ([] if ack is None else [False])
    assert desk.nudges == 0


def test_the_sender_hears_of_it_when_a_cold_room_cannot_be_warmed(desk):
    desk.server.broker.lose_everything()
    desk.warm_fault = StoreUnavailable("get")
    failed, ack = desk.send()
    assert failed["data"]["error"]["code"] == ack["data"]["error"]["code"] == "store-unavailable"
    assert failed["data"]["error"]["retryable"]


def test_a_cold_room_is_warmed_on_the_way_when_someone_sends(desk):
    desk.server.join(desk.client)
    desk.server.broker.lose_everything()
    [ack] = desk.send()
    assert ack["data"]["result"]["seq"] == 1


def test_names_are_taken_in_both_spellings_when_a_message_is_sent(desk):
    first, _ = desk.send("one")
    real_id = first["data"]["result"]["id"]
    data = commands.SendData(content="hi", room_id=ROOM, tempId="two", replyTo=real_id)
    desk.sending.send(desk.client.session, commands.Send(data, 8))
    desk.server.broker.answer()
    ack, shown = desk.client.told()
    assert ack["data"]["result"]["tempId"] == "two"
    assert shown["data"]["reply_to"] == real_id


def test_nothing_is_submitted_when_a_message_is_faulty_or_too_early(store):
    with serving() as server:
        desk = Desk(server, store, per_s=1)
        with pytest.raises(InvalidRequest):
            desk.send(attachments=[{"id": "x"}] * 11)
        desk.server.join(desk.client)
        for n in range(2):
            desk.send(f"t{n}")
        with pytest.raises(RateLimited):
            desk.send("t2")
        assert server.broker.heads[ROOM].seq == 2
