from __future__ import annotations

import time
from typing import Any

import pytest

from chat.broker.base import Accepted
from chat.errors import BrokerUnavailable, StoreUnavailable
from chat.gateway import settler as module
from chat.gateway.settler import Settler
from chat.hub import Waiting
from chat.model.events import document, new_frame
from chat.model.message import message_key
from chat.model.publication import Confirmed, Origin, RoomEvents
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.drafts import CONFIRM_BY, draft
from tests.support.local_client import LocalClient
from tests.support.local_server import ROOM, Server, serving


class Watch:
    """A server with a viewer and a sender, whose confirmations get lost."""

    def __init__(self, server: Server, store: SqliteStore) -> None:
        self.server, self.store = server, store
        self.viewer, self.sender = server.client("bob"), server.client("ann")
        for client in (self.viewer, self.sender):
            server.join(client)
        self.wakes = 0
        self.settler = Settler(server.hub, server.hub.unconfirmed, server.broker, store, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def show(self, count: int = 1) -> None:
        self.server.act(["accept", "hear"] * count)
        self.server.hub.flush()
        assert len(told_events(self.viewer)) == len(told_events(self.sender)) == count

    def settle(self) -> tuple[list[Any], list[Any]]:
        self.settler.settle_overdue(0)
        return told_events(self.viewer), told_events(self.sender)

    def save(self, seq: int, epoch: str | None = None) -> None:
        name = f"{ROOM}.{seq}.{epoch or self.server.epoch}"
        self.store.insert(Kind.MESSAGE, message_key(ROOM, seq), document(name, seq, b'"content":"x"'))


def told_events(client: LocalClient) -> list[tuple[str, Any]]:
    found = []
    for each in client.told():
        data = each["data"]
        found.append((each["event"], data.get("seqs") or data.get("tempId") or data.get("seq")))
    return found


@pytest.fixture
def watch(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    with serving() as server:
        yield Watch(server, store)
    store.close()


def test_everyone_is_told_when_a_confirmation_was_lost(watch):
    watch.show(2)
    watch.server.act(["confirm", "confirm"])
    viewer, sender = watch.settle()
    assert viewer == [("messages-confirmed", [1]), ("messages-confirmed", [2])]
    assert sender == [("message-confirmed", "t1"), ("message-confirmed", "t2")]
    assert watch.settle() == ([], [])
    assert len(watch.server.hub.unconfirmed) == 0


def test_the_sender_is_not_told_again_when_the_lost_event_comes_late(watch):
    watch.show()
    watch.server.act(["confirm"])
    watch.settle()
    assert watch.server.hub.unconfirmed.sender_told(ROOM, watch.server.epoch, [1]) == [1]


def test_the_room_is_not_told_again_when_the_lost_event_comes_late(watch):
    watch.show(2)
    watch.server.act(["confirm"])
    assert watch.settle()[0] == [("messages-confirmed", [1])]
    hub, epoch = watch.server.hub, watch.server.epoch
    hub.confirm(hub.rooms[ROOM], Confirmed(epoch, [(1, "ann"), (2, "ann")]))
    assert told_events(watch.viewer) == [("messages-confirmed", [2])]
    hub.confirm(hub.rooms[ROOM], Confirmed(epoch, [(1, "ann")]))
    assert told_events(watch.viewer) == []


def test_the_room_is_told_when_it_was_shown_the_message_again(watch):
    watch.show()
    watch.server.act(["confirm"])
    watch.settle()
    hub, epoch = watch.server.hub, watch.server.epoch
    origin = Origin(1, "ann", "t1", 0, epoch)
    hub.unconfirmed.replayed(RoomEvents("new", ROOM, epoch, 1, [origin], [b"{}"]), [1])
    hub.confirm(hub.rooms[ROOM], Confirmed(epoch, [(1, "ann")]))
    assert told_events(watch.viewer) == [("messages-confirmed", [1])]


def test_only_those_who_missed_it_are_told_when_one_of_two_events_was_lost(watch):
    watch.show(2)
    watch.server.act(["confirm", "confirm"])
    watch.server.hub.unconfirmed.room_told(ROOM, watch.server.epoch, [1])
    watch.server.hub.unconfirmed.sender_told(ROOM, watch.server.epoch, [2])
    viewer, sender = watch.settle()
    assert (viewer, sender) == ([("messages-confirmed", [2])], [("message-confirmed", "t1")])


def test_workers_are_woken_and_nobody_is_told_when_a_message_still_waits(watch):
    watch.show()
    assert watch.settle() == ([], [])
    assert watch.wakes == 1
    assert len(watch.server.hub.unconfirmed) == 1


def test_a_message_that_waits_is_asked_for_less_often_when_it_was_just_asked_for(watch):
    watch.show()
    watch.settle()
    watch.settler.settle_overdue(5)
    assert watch.wakes == 1


def test_the_sender_is_told_why_when_a_failure_was_lost(watch):
    watch.show()
    watch.server.act(["retract"])
    viewer, sender = watch.settle()
    assert (viewer, sender) == ([], [("message-failed", "t1")])  # the room reads it in its log
    watch.server.act(["hear", "turn"])
    assert told_events(watch.viewer) == [("message-retracted", 1)]


def test_the_store_decides_when_redis_lost_everything(watch):
    watch.show(2)
    watch.save(1)
    watch.server.broker.lose_everything()
    viewer, sender = watch.settle()
    assert (viewer, sender) == ([("messages-confirmed", [1])], [("message-confirmed", "t1")])
    assert len(watch.server.hub.unconfirmed) == 1


def test_a_message_is_retracted_when_redis_and_the_store_know_nothing_of_it_for_long(watch, monkeypatch):
    watch.show()
    watch.server.broker.lose_everything()
    assert watch.settle() == ([], [])
    assert watch.settle() == ([], [])  # a worker may still have it in hand
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + module.GONE_AFTER_S + 1)
    viewer, sender = watch.settle()
    assert (viewer, sender) == ([("message-retracted", 1)], [("message-failed", "t1")])
    assert len(watch.server.hub.unconfirmed) == 0


def test_a_message_is_not_confirmed_when_the_store_has_another_ones_number(watch):
    watch.show()
    watch.save(1, epoch="other")
    watch.server.broker.lose_everything()
    assert watch.settle() == ([], [])
    assert len(watch.server.hub.unconfirmed) == 1


def test_each_has_its_own_end_when_two_messages_have_one_number(watch, monkeypatch):
    watch.show()
    broker = watch.server.broker
    first = watch.server.epoch
    broker.lose_everything()
    broker.warm(ROOM, 0, [])
    outcome = broker.accept(draft("t2"))
    assert isinstance(outcome, Accepted)
    frame = new_frame(ROOM, 1, outcome.epoch, 1, CONFIRM_BY, draft("t2").members)
    watch.server.hub.unconfirmed.shown_to_sender(
        Waiting(ROOM, outcome.epoch, 1, "ann", "t2", 0, frame, has_viewers=False)
    )
    broker.confirm(ROOM, 1)
    watch.save(1, epoch=outcome.epoch)
    assert watch.settle() == ([], [("message-confirmed", "t2")])
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + module.GONE_AFTER_S + 1)
    viewer, sender = watch.settle()
    assert (viewer, sender) == ([("message-retracted", 1)], [("message-failed", "t1")])
    assert first != outcome.epoch


@pytest.mark.parametrize("fault", [BrokerUnavailable("read fates"), StoreUnavailable("get_many")])
def test_nothing_is_forgotten_when_nobody_can_be_asked(watch, fault):
    watch.show()
    if isinstance(fault, StoreUnavailable):
        watch.server.broker.lose_everything()
        watch.store.close()
    else:
        watch.server.broker.fault = fault
    with pytest.raises(type(fault)):
        watch.settle()
    assert len(watch.server.hub.unconfirmed) == 1


def test_nobody_is_asked_when_nothing_waits(watch):
    watch.server.broker.fault = BrokerUnavailable("read fates")
    assert watch.settle() == ([], [])
