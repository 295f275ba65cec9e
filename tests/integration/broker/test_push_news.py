"""claim_news.lua and finish_news.lua on a real server: no room is forgotten, whoever dies."""

from __future__ import annotations

import pytest

from chat.broker import keys
from chat.broker.push_news import NewsOfBatches, PushNews
from chat.model.clock import now_ms
from chat.model.push import Look
from chat.services.confirm import confirmations
from chat.services.settle import Pending, Stored


@pytest.fixture
def news(client) -> PushNews:
    return PushNews(client, again_s=90)


def due_again(client, room_id="r1"):
    return client.zscore(keys.PUSH_AGAIN, room_id)


def make_due(client, name):
    """Let what waits there have waited long enough."""
    for member in client.zrange(name, 0, -1):
        client.zadd(name, {member: 1})


def test_a_room_is_looked_at_once_when_its_time_has_come(client, news):
    news.note({"r1": (5, 9)}, now_ms() + 60_000)
    assert news.claim(10) == []
    assert news.next_due() == pytest.approx(60, abs=5)
    make_due(client, keys.PUSH_NEWS)
    assert news.next_due() < 0
    assert news.claim(10) == [Look("r1", 5, 9, 1)]
    assert news.claim(10) == []


def test_what_comes_first_and_last_counts_when_a_room_is_noted_again(client, news):
    news.note({"r1": (5, 6)}, 1)
    news.note({"r1": (3, 4), "r2": (1, 1)}, now_ms() + 60_000)
    news.note({"r1": (7, 9)}, 99)
    assert news.claim(10) == [Look("r1", 3, 9, 1)]


def test_a_look_is_taken_again_when_its_worker_died(client):
    news = PushNews(client, again_s=90, held_ms=0)
    news.note({"r1": (1, 2)}, 1)
    first = news.claim(10)
    assert news.claim(10) == first
    news.finish(first)
    assert news.claim(10) == []


def test_news_of_a_room_make_a_look_of_their_own_when_one_is_under_way(client, news):
    news.note({"r1": (1, 2)}, 1)
    first = news.claim(10)
    news.note({"r1": (3, 4)}, 1)
    assert news.claim(10) == [Look("r1", 3, 4, 1)]
    news.finish(first)
    assert client.zrange(keys.PUSH_LOOKS, 0, -1) == [b"r1 3 4 1"]


def test_no_more_are_taken_than_were_asked_for(client, news):
    news.note({f"r{number}": (1, 1) for number in range(5)}, 1)
    assert len(news.claim(3)) == 3
    assert len(news.claim(3)) == 2


def test_a_room_is_looked_at_once_more_when_the_first_look_is_finished(client, news):
    news.note({"r1": (1, 2)}, 1)
    news.finish(news.claim(10))
    assert due_again(client) == pytest.approx(now_ms() + 90_000, abs=5000)
    make_due(client, keys.PUSH_AGAIN)
    second = news.claim(10)
    assert second == [Look("r1", 1, 2, 2)]
    news.finish(second)
    assert (due_again(client), client.hlen(keys.PUSH_SPANS), client.zcard(keys.PUSH_LOOKS)) == (None, 0, 0)
    assert news.next_due() is None


def test_later_looks_share_one_second_look_when_another_is_waited_for(client, news):
    for low in (1, 4, 3, 8):
        news.note({"r1": (low, low + 1)}, 1)
        news.finish(news.claim(10))
    make_due(client, keys.PUSH_AGAIN)
    assert news.claim(10) == [Look("r1", 1, 2, 2)]
    assert due_again(client) == pytest.approx(now_ms() + 90_000, abs=5000)  # as long after the last of the others
    make_due(client, keys.PUSH_AGAIN)
    assert news.claim(10) == [Look("r1", 3, 9, 2)]
    assert due_again(client) is None


def test_a_batch_is_noted_in_the_step_that_confirms_it(client, room, news):
    of_batches = NewsOfBatches(grace_s=0)
    room.outbox._news = of_batches
    room.accept("t1", "t2")
    room.accept("t3")
    entries = room.outbox.take(10)
    stored = [Stored(Pending(each, message), b'{"id":"x"}') for each in entries for message in each.messages]
    assert room.outbox.confirm(confirmations(stored)) == 3
    assert news.claim(10) == [Look(room.room_id, 1, 3, 1)]
    assert [of_batches.is_wake_needed(), of_batches.is_wake_needed()] == [True, False]
    assert client.pttl(keys.PUSH_LEASE) > 0


def test_a_message_is_confirmed_when_its_news_can_not_be_noted(client, room, caplog):
    room.outbox._news = NewsOfBatches(grace_s=0)
    client.set(keys.PUSH_FROM, "of another type")
    room.accept("t1")
    [entry] = room.outbox.take(10)
    stored = [Stored(Pending(entry, message), b'{"id":"x"}') for message in entry.messages]
    assert room.outbox.confirm(confirmations(stored)) == 1
    assert "push-news-not-noted" in caplog.text
