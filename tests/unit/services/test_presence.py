"""Who is told to Redis and when: grace, renewals, repeats after faults, and many at once."""

from __future__ import annotations

import pytest

from chat.errors import BrokerUnavailable
from chat.services.presence import STEP_COST, Presence
from tests.support.presence import MemoryBoard

LEASE_S, GRACE_S = 75.0, 5.0
RENEWED_BY_S = LEASE_S / 2.5


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard()


@pytest.fixture
def presence(board: MemoryBoard) -> Presence:
    return Presence(board, lease_s=LEASE_S, grace_s=GRACE_S)


def come(presence: Presence, *user_ids: str, room: str = "r1", at_s: float = 0.0) -> None:
    for user_id in user_ids:
        presence.connected(user_id, user_id.title(), f"c-{user_id}")
        presence.joined(user_id, [room])
    presence.step(at_s)


def test_the_room_is_told_once_when_a_user_has_several_connections(presence, board):
    come(presence, "ann")
    presence.connected("ann", "Ann", "c2")
    presence.joined("ann", ["r1"])
    presence.step(1)
    presence.closed("ann", "c2", 2)
    presence.step(2 + GRACE_S)
    assert board.told() == [("online", "ann", {"r1"})]
    assert {"c2"} in [each.closed for each in board.batches]


def test_the_room_is_told_after_the_grace_when_the_last_connection_ended(presence, board):
    come(presence, "ann")
    board.told()
    presence.closed("ann", "c-ann", 10)
    presence.step(10)
    assert presence.due_in_s(10) == GRACE_S
    presence.step(10 + GRACE_S - 0.1)
    assert board.told() == []
    presence.step(10 + GRACE_S)
    assert board.told() == [("offline", "ann", {"r1"})]
    assert presence.users == []


def test_nobody_is_told_when_a_user_comes_back_within_the_grace(presence, board):
    come(presence, "ann")
    board.told()
    presence.closed("ann", "c-ann", 10)
    come(presence, "ann", at_s=12)
    presence.step(10 + GRACE_S)
    assert board.told() == []


def test_a_new_room_is_told_when_a_user_joins_it_later(presence, board):
    come(presence, "ann")
    board.told()
    presence.joined("ann", ["r1", "r2"])
    presence.step(1)
    assert board.told() == [("online", "ann", {"r2"})]


def test_the_last_word_counts_when_a_user_leaves_and_joins_between_two_steps(presence, board):
    come(presence, "ann")
    board.told()
    presence.left("ann", "r1")
    presence.joined("ann", ["r1"])
    presence.joined("ann", ["r2"])
    presence.left("ann", "r2")
    presence.step(1)
    assert board.told() == []
    assert board.rooms["ann"] == {"r1"}


def test_the_room_is_told_when_a_user_leaves_it_or_is_removed(presence, board):
    come(presence, "ann", "bob")
    board.told()
    presence.left("ann", "r1")
    presence.removed("bob", "r1")
    presence.removed("stranger", "r1")
    presence.step(1)
    assert sorted(board.told()) == [("left", "ann", {"r1"}), ("left", "bob", {"r1"})]
    assert board.batches[-1].removals == {"bob": {"r1"}, "stranger": {"r1"}}


def test_each_lease_is_renewed_in_time_when_nothing_happens(presence, board):
    come(presence, "ann", "bob")
    due_s = presence.due_in_s(0)
    assert RENEWED_BY_S * 0.8 <= due_s <= RENEWED_BY_S
    presence.step(due_s - 0.1)
    assert not board.batches[-1].renewals
    presence.step(RENEWED_BY_S)
    renewed = {each.user_id: each for each in board.batches[-1].renewals}
    assert set(renewed) == {"ann", "bob"}
    assert (renewed["ann"].rooms, renewed["ann"].connections) == (("r1",), ("c-ann",))


def test_a_heartbeat_renews_and_puts_the_next_renewal_off(presence, board):
    come(presence, "ann")
    presence.beat("ann", 10)
    presence.beat("ann", 10.1)
    presence.step(10 + presence.due_in_s(10))
    assert [each.user_id for each in board.batches[-1].renewals] == ["ann"]
    presence.step(RENEWED_BY_S + 1)
    assert not board.batches[-1].renewals
    presence.beat("nobody", 20)
    assert presence.due_in_s(RENEWED_BY_S + 1) > 0


def test_users_arrive_again_with_all_rooms_when_redis_lost_everything(presence, board):
    come(presence, "ann")
    presence.joined("ann", ["r2"])
    presence.step(1)
    board.rooms.clear()
    presence.step(RENEWED_BY_S)
    presence.step(RENEWED_BY_S)
    assert board.rooms == {"ann": {"r1", "r2"}}


def test_users_arrive_again_when_redis_lost_them_before_a_join(presence, board):
    come(presence, "ann")
    board.rooms.clear()
    presence.joined("ann", ["r2"])
    presence.step(1)
    presence.step(1)
    assert board.rooms == {"ann": {"r1", "r2"}}


def test_everything_is_done_later_when_redis_is_away(presence, board):
    come(presence, "ann", "bob", "cleo")
    board.told()
    presence.closed("ann", "c-ann", 0)
    presence.left("bob", "r1")
    presence.removed("cleo", "r1")
    presence.connected("dan", "Dan", "c-dan")
    presence.renew("cleo")
    presence.renew("nobody")
    board.is_down = True
    for at_s in (10, 11):
        with pytest.raises(BrokerUnavailable):
            presence.step(at_s)
        assert presence.due_in_s(at_s) == 0
    board.is_down = False
    presence.step(12)
    told = board.told()
    assert sorted(told) == [("left", "bob", {"r1"}), ("left", "cleo", {"r1"}), ("offline", "ann", {"r1"})]
    [batch] = board.batches[1:]
    assert batch.is_repeated
    assert [each.user_id for each in batch.arrivals] == ["dan"]
    assert batch.closed == {"c-ann"}
    presence.step(13)
    assert not board.batches[-1].is_repeated


def test_a_user_stays_when_coming_back_while_the_departure_failed(presence, board):
    come(presence, "ann")
    presence.closed("ann", "c-ann", 0)
    decide, board.is_down = board.decide, True

    def come_back_meanwhile(batch):
        presence.connected("ann", "Ann", "c2")
        return decide(batch)

    board.decide = come_back_meanwhile
    with pytest.raises(BrokerUnavailable):
        presence.step(GRACE_S)
    board.decide, board.is_down = decide, False
    presence.step(GRACE_S + 1)
    assert "ann" in board.rooms
    assert presence.users == ["ann"]


def test_what_was_decided_is_told_when_telling_failed_first(presence, board):
    board.is_deaf = True
    with pytest.raises(BrokerUnavailable):
        come(presence, "ann")
    assert presence.due_in_s(0) == 0
    board.is_deaf = False
    presence.step(1)
    assert board.told() == [("online", "ann", {"r1"})]


def test_a_thousand_arrivals_take_a_few_steps(presence, board):
    users = [f"u{number}" for number in range(1000)]
    come(presence, *users)
    steps = 1
    while presence.due_in_s(0) == 0:
        presence.step(0)
        steps += 1
    assert steps == -(-1000 * 2 // STEP_COST)  # a user and a room each
    assert board.calls == 2 * steps
    assert set(board.rooms) == set(users)


def test_a_step_is_bounded_when_users_are_in_many_rooms(presence, board):
    for user_id in ("ann", "bob", "cleo"):
        presence.connected(user_id, user_id, "c")
        presence.joined(user_id, [f"r{number}" for number in range(STEP_COST // 2)])
    presence.step(0)
    assert [each.user_id for each in board.batches[-1].arrivals] == ["ann", "bob"]
    presence.step(0)
    for user_id in ("ann", "bob", "cleo"):
        presence.renew(user_id)
    presence.step(1)
    assert len(board.batches[-1].renewals) == 2
    presence.step(1)
    assert len(board.batches[-1].renewals) == 1
    for user_id in ("ann", "bob", "cleo"):
        presence.closed(user_id, "c", 1)
    presence.step(1 + GRACE_S)
    assert board.batches[-1].departures == ["ann", "bob"]
    presence.step(1 + GRACE_S)
    assert board.rooms == {}


def test_renewals_are_spread_when_all_came_at_once(presence, board):
    come(presence, *(f"u{number}" for number in range(100)))
    presence.step(RENEWED_BY_S * 0.9)
    assert 10 <= len(board.batches[-1].renewals) <= 90
