"""A joiner sees each event after `since` once and in order, however it is split between log, kept and live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.errors import BrokerUnavailable, NotAMember
from chat.gateway import joining
from chat.gateway.joining import SETTLED_EVENTS, Joining
from chat.protocol.fields import Position
from tests.support.local_server import ROOM, offsets, serving


def left_temporary(told: list[dict[str, Any]]) -> set[int]:
    """Return the numbers that a client which reads this still shows as temporary."""
    temporary: set[int] = set()
    for each in told:
        data = each["data"]
        if each["event"] == "new-chat-message" and data["_temp"]:
            temporary.add(data["seq"])
        elif each["event"] == "message-retracted":
            temporary.discard(data["seq"])
        elif each["event"] == "messages-confirmed":
            temporary -= set(data["seqs"])
    return temporary


STEPS = st.lists(st.sampled_from(["accept", "accept", "hear", "confirm", "retract", "change", "turn"]), max_size=10)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=STEPS, lag=STEPS, reading=STEPS, answered=STEPS, after=STEPS, share=st.floats(0, 1))
def test_each_event_comes_once_and_in_order_when_it_is_anywhere_between_log_kept_and_live(
    before, lag, reading, answered, after, share
):
    with serving() as server:
        witness, joiner = server.client("wit"), server.client("joe")
        server.join(witness)
        server.act(before)
        while server.broker.published:
            server.hear()
        server.act(lag)
        since = round(share * server.broker.heads[ROOM].offset)
        reads = iter([(reading, answered)])

        def step_once(which: int) -> Callable[[], None]:
            def step() -> None:
                nonlocal reads
                pair = next(reads, None)
                if pair is not None:
                    server.act(pair[which])
                    reads = iter([pair] if which == 0 else [])

            return step

        server.broker.before_read, server.broker.after_read = step_once(0), step_once(1)
        joined = server.join(joiner, since)
        told = joiner.told()
        assert joined.recovered
        server.act(after)
        server.finish()
        told += joiner.told()
        last = server.broker.heads[ROOM].offset
        assert offsets(told) == list(range(since + 1, last + 1))
        assert left_temporary(told) == set()
        seen = witness.told()
        assert offsets(seen) == list(range(1, last + 1))
        assert left_temporary(seen) == set()
        assert not server.unresumable


def test_a_joiner_hears_what_follows_when_it_joins_without_a_position():
    with serving() as server:
        first, client = server.client("wit"), server.client("joe")
        server.join(first)
        server.act(["accept", "hear"])  # still to be sent at the end of this turn
        joined = server.join(client)
        assert (joined.epoch, joined.offset, joined.last_seq, joined.recovered) == (server.epoch, 1, 1, False)
        server.act(["accept", "hear", "turn"])
        assert (offsets(client.told()), offsets(first.told())) == ([2], [1, 2])


def test_nothing_comes_twice_when_one_joins_again():
    with serving() as server:
        client = server.client("joe")
        server.join(client)
        server.join(client)
        server.act(["accept", "hear", "turn"])
        assert offsets(client.told()) == [1]
        joined = server.join(client, since=1)
        assert joined.recovered
        server.act(["accept", "hear", "turn"])
        assert offsets(client.told()) == [2]


@pytest.mark.parametrize(("since", "epoch"), [(0, "foreign1"), (99, None)])
def test_history_has_to_be_read_when_the_position_is_foreign_or_ahead(since, epoch):
    with serving() as server:
        client = server.client("joe")
        server.act(["accept", "accept"])
        assert not server.join(client, since, epoch).recovered
        assert offsets(client.told()) == []
        server.broker.published.clear()
        server.act(["accept", "hear", "turn"])
        assert offsets(client.told()) == [3]


def test_history_has_to_be_read_when_the_log_was_trimmed(monkeypatch):
    monkeypatch.setattr(joining, "SETTLED_AFTER_S", 10**10)  # the drafts of tests are years old
    with serving() as server:
        server.broker.log_length = 2 * SETTLED_EVENTS
        server.act(["accept"] * 200)
        client = server.client("joe")
        first_kept = 200 - server.broker.log_length + 1
        assert not server.join(client, since=1).recovered
        # Nothing is missing from there on, but who left then may show messages as temporary whose end nobody tells.
        assert not server.join(client, since=first_kept - 1).recovered
        assert not server.join(client, since=first_kept + SETTLED_EVENTS - 1).recovered
        assert server.join(client, since=first_kept + SETTLED_EVENTS).recovered
        assert offsets(client.told()) == list(range(first_kept + SETTLED_EVENTS + 1, 201))


def test_a_replayed_message_is_durable_when_it_was_confirmed_and_temporary_when_it_waits():
    with serving() as server:
        server.act(["accept", "accept", "accept", "confirm", "retract"])
        client = server.client("joe")
        server.join(client, since=0)
        told = client.told()
        assert [(each["event"], each["data"].get("_temp")) for each in told] == [
            ("new-chat-message", False),
            ("new-chat-message", True),
            ("new-chat-message", True),
            ("message-retracted", None),
        ]


def test_a_replayed_message_that_waits_is_asked_for_when_nobody_here_had_seen_it():
    with serving() as server:
        server.act(["accept", "accept", "confirm"])
        client = server.client("joe")
        server.join(client, since=0)
        [waiting] = server.hub.unconfirmed.overdue(0)[ROOM]
        assert (waiting.seq, waiting.has_viewers) == (2, True)


def test_one_is_not_in_the_room_when_the_log_cannot_be_read():
    with serving() as server:
        client = server.client("joe")
        server.join(client)
        server.broker.fault = BrokerUnavailable("read log")
        with pytest.raises(BrokerUnavailable):
            server.join(client, since=0)
        assert server.hub.rooms[ROOM].is_empty
        assert client.session.rooms == set()


@pytest.mark.parametrize("since", [None, 0])
def test_nobody_stays_in_the_room_when_the_connection_closes_while_it_joins(since):
    with serving() as server:
        client = server.client("joe")

        def hang_up() -> None:
            client.session.is_closed = True  # what the lobby does when a connection closes

        server.broker.after_read = hang_up
        server.join(client, since)
        assert server.hub.rooms[ROOM].is_empty
        assert client.session.rooms == set()


def test_one_hears_nothing_more_when_one_leaves():
    with serving() as server:
        client = server.client("joe")
        server.join(client)
        server.joining.leave(client.session, server.hub.rooms[ROOM])
        server.act(["accept", "hear", "turn"])
        assert client.told() == []
        assert client.session.rooms == set()


def test_nothing_of_a_room_comes_any_more_when_an_event_cuts_its_user_off():
    with serving() as server:
        bob, phone, ann = server.client("bob"), server.client("bob"), server.client("ann")
        for each in (bob, phone, ann):
            server.join(each)
        server.act(["accept"])
        server.change(cut="bob")
        server.act(["accept", "hear", "hear", "hear", "turn"])
        for each in (bob, phone):
            assert offsets(each.told()) == [1, 2]
            assert ROOM not in each.session.rooms
        assert offsets(ann.told()) == [1, 2, 3]


def test_one_who_is_cut_off_while_a_replay_is_read_is_refused():
    with serving() as server:
        checks = []

        def require(room_id, user_id, checked_at):
            checks.append((room_id, user_id, checked_at))
            raise NotAMember("not any more", field="roomId")

        joining = Joining(server.rooms, server.broker, require)
        client = server.client("bob")
        server.act(["accept", "hear"])
        for since in (None, Position(server.epoch, 0)):
            with pytest.raises(NotAMember):
                joining.join(client.session, ROOM, since, 7.0)
        room = server.hub.rooms[ROOM]
        assert room.is_empty
        assert client.session.rooms == set()
        assert client.told() == []
        assert checks == [(ROOM, "bob", 7.0)] * 2


def test_one_who_was_removed_and_added_again_is_in_the_room_when_the_replay_tells_of_both():
    with serving() as server:
        server.join(server.client("wit"))
        server.change(cut="bob")
        server.act(["accept", "hear", "hear"])
        bob = server.client("bob")
        assert server.join(bob, 0).recovered
        server.act(["accept", "hear", "turn"])
        assert offsets(bob.told()) == [1, 2, 3]
