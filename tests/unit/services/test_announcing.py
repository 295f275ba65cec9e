"""A change that is stored is told, whatever comes in between, and the state that is told never goes back."""

from __future__ import annotations

import pytest

from chat.broker.base import DurableEvent, Intent
from chat.errors import BrokerUnavailable, NotAMember, StoreUnavailable
from chat.model.events import split_frame
from chat.services.announcing import ATTEMPTS, Announcer, Sweep
from tests.support.memory import MemoryBroker

INTENT = Intent("room-updated", "r", "r", "renamed:", "t1")


def event(revision: int) -> DurableEvent:
    head, tail = split_frame("room-updated", {"roomId": "r", "revision": revision})
    return DurableEvent("r", "room-updated", "r", revision, head, tail)


@pytest.fixture
def broker():
    broker = MemoryBroker()
    broker.warm("r", 0, [])
    return broker


@pytest.fixture
def announcer(broker):
    return Announcer(broker, lambda room_id: broker.warm(room_id, 0, []))


def told(broker):
    return [payload.split(b"\n")[2] for _, payload in broker.published]


def test_a_change_is_told_and_its_note_goes_when_all_is_well(broker, announcer):
    announcer.intend(INTENT)
    appended = announcer.announce(INTENT, lambda: event(1))
    assert (appended.offset, appended.token) == (1, "")
    assert told(broker) == [b'{"event":"room-updated","data":{"roomId":"r","revision":1,"offset":1}}']
    assert broker.intents == []


def test_a_room_is_warmed_when_redis_lost_it(broker, announcer):
    broker.lose_everything()
    assert announcer.announce(INTENT, lambda: event(1)).offset == 1


def test_the_newer_state_is_told_when_another_was_faster(broker, announcer):
    states = iter([event(1), event(3)])
    announcer.announce(INTENT, lambda: event(2))
    announcer.announce(INTENT, lambda: next(states))
    assert [b'"revision":3' in each for each in told(broker)] == [False, True]


def test_nothing_is_told_and_the_note_goes_when_a_later_change_undid_this_one(broker, announcer):
    announcer.intend(INTENT)
    assert announcer.announce(INTENT, lambda: None) is None
    assert (told(broker), broker.intents) == ([], [])


def test_the_note_stays_when_the_state_is_overtaken_again_and_again(broker, announcer):
    announcer.intend(INTENT)
    announcer.announce(Intent("room-updated", "r", "r", "x:", "t2"), lambda: event(9))
    asked = iter([event(1)] * (ATTEMPTS + 1))
    with pytest.raises(BrokerUnavailable):
        announcer.announce(INTENT, lambda: next(asked))
    assert len(list(asked)) == 1
    assert broker.intents == [INTENT]


@pytest.mark.parametrize("fault", [BrokerUnavailable("append"), StoreUnavailable("get")])
def test_the_note_stays_when_telling_fails(broker, announcer, fault):
    announcer.intend(INTENT)

    def compose():
        broker.fault = fault
        return event(1)

    with pytest.raises(type(fault)):
        announcer.announce(INTENT, compose)
    assert broker.intents == [INTENT]


def test_a_note_that_cannot_be_dropped_is_left_when_redis_is_away(broker, announcer):
    broker.intend(INTENT)
    broker.fault = BrokerUnavailable("forget")
    announcer.drop(INTENT)
    broker.fault = None
    assert broker.overdue(0) == [INTENT]


def test_servers_acknowledge_a_telling_by_its_token_when_it_is_awaited(announcer):
    tokens = [announcer.announce(INTENT, lambda: event(1), is_awaited=True).token for _ in range(2)]
    assert len({*tokens, ""}) == 3


def test_what_a_dead_server_left_is_finished_by_the_one_who_knows_how(broker):
    other = Intent("message-updated", "r", "r.1.e", "", "t2")
    for each in (INTENT, other):
        broker.intend(each)
    finished: list[Intent] = []
    finishers = {"room-updated": finished.append, "message-updated": finished.append}
    assert Sweep(broker, finishers).run() == 2
    assert finished == [INTENT, other]


def test_the_others_are_finished_when_one_cannot_be(broker, caplog):
    for name in ("room-updated", "unheard-of", "message-updated"):
        broker.intend(Intent(name, "r", "r", "", "t"))
    finished: list[Intent] = []

    def fail(intent):
        raise StoreUnavailable("get")

    assert Sweep(broker, {"room-updated": fail, "message-updated": finished.append}).run() == 1
    assert [each.name for each in finished] == ["message-updated"]
    assert len(broker.intents) == 3
    assert caplog.text.count("change-not-announced") == 2


@pytest.mark.parametrize(
    ("fault", "notes"), [(NotAMember("you are no member of r"), []), (StoreUnavailable("replace"), [INTENT])]
)
def test_a_note_is_taken_back_when_its_change_is_known_to_be_refused(broker, announcer, fault, notes):
    def change() -> None:
        with announcer.noting(INTENT):
            assert broker.intents == [INTENT]
            raise fault

    with pytest.raises(type(fault)):
        change()
    assert broker.intents == notes
