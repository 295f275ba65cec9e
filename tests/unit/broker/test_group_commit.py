"""What is submitted is known to be on its way until it has an outcome; `tests/integration` has the rest."""

from __future__ import annotations

from chat.broker.client import RedisAddress
from chat.broker.group_commit import GroupCommit
from tests.support.drafts import draft


def test_a_draft_is_submitting_when_it_is_queued_or_under_way():
    commit = GroupCommit(RedisAddress("redis://127.0.0.1:1/0"), outbox_limit=10, log_length=10)
    assert not commit.is_submitting(lambda _: True)
    commit.submit(draft("t1"), lambda _: None)
    assert commit.is_submitting(lambda each: each.temp_id == "t1")
    assert not commit.is_submitting(lambda each: each.temp_id == "t2")
    commit._under_way = [commit._queue.popleft()]
    assert commit.is_submitting(lambda each: each.temp_id == "t1")
    commit._under_way = []
    assert not commit.is_submitting(lambda _: True)
