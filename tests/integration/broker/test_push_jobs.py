"""The scripts of push jobs on a real server: each status word, and what comes up while a job is under way."""

from __future__ import annotations

import pytest

from chat.broker import keys
from chat.broker.push_jobs import PushJobs
from chat.model.clock import now_ms
from chat.model.device import DeviceKind
from chat.model.push import Outcome, Target

FCM = DeviceKind.FCM
PHONE = Target(FCM, "r1", "bob", "phone")
TABLET = Target(FCM, "r1", "bob", "tablet")


@pytest.fixture
def jobs(client) -> PushJobs:
    return PushJobs(client, [FCM, DeviceKind.APNS])


def claim(jobs, limit=10):
    return jobs.claim(FCM, limit)


def show(jobs, *targets_seqs):
    """Have devices notified."""
    for target, seq in targets_seqs:
        jobs.note({target: seq})
    for each in claim(jobs):
        assert jobs.finish(each, Outcome.SHOWN) == "done"


def left(client):
    """Return what Redis holds of jobs."""
    return client.zcard(keys.push_due(FCM)), client.hlen(keys.push_jobs(FCM))


def shown(client, target=PHONE):
    return client.hget(keys.push_shown(FCM, target.room_id, target.user_id), target.device_id)


def test_one_job_waits_however_many_messages_there_are(client, jobs):
    assert jobs.note({PHONE: 3, TABLET: 3}) == {PHONE: "made", TABLET: "made"}
    assert jobs.note({PHONE: 3}) == {PHONE: "known"}
    assert jobs.note({PHONE: 2}) == {PHONE: "known"}
    assert jobs.note({PHONE: 5}) == {PHONE: "raised"}
    assert {each.target: each.seq for each in claim(jobs)} == {PHONE: 5, TABLET: 3}
    assert jobs.waiting() == {FCM: 2, DeviceKind.APNS: 0}


def test_a_job_is_given_to_nobody_else_until_its_lease_ends(client, jobs):
    jobs.note({PHONE: 3})
    [first] = claim(jobs)
    assert (first.tries, first.is_clear, first.seq) == (1, False, 3)
    assert first.first_try_ms == pytest.approx(now_ms(), abs=5000)
    assert claim(jobs) == []
    assert jobs.next_due(FCM) == pytest.approx(60, abs=5)
    client.zadd(keys.push_due(FCM), {"r1 bob phone": 1})  # its worker has died
    [second] = claim(jobs)
    assert (second.tries, second.first_try_ms) == (2, first.first_try_ms)
    assert jobs.finish(first, Outcome.SHOWN) == "lost"
    assert jobs.finish(second, Outcome.SHOWN) == "done"
    assert jobs.finish(second, Outcome.SHOWN) == "lost"


def test_nothing_is_claimed_when_the_job_is_gone(client, jobs):
    client.zadd(keys.push_due(FCM), {"r1 bob phone": 1})
    assert claim(jobs) == []
    assert left(client) == (0, 0)
    assert jobs.next_due(FCM) is None


def test_a_message_is_told_once_when_it_is_noted_again(client, jobs):
    show(jobs, (PHONE, 3))
    assert left(client) == (0, 0)
    assert shown(client).startswith(b"3 ")
    assert 86_000 < client.ttl(keys.push_shown(FCM, "r1", "bob")) < 100_000
    assert jobs.note({PHONE: 3}) == {PHONE: "known"}
    assert jobs.note({PHONE: 4}) == {PHONE: "made"}


def test_the_next_one_waits_a_little_when_one_was_just_shown(client):
    jobs = PushJobs(client, [FCM], spacing_s=30)
    show(jobs, (PHONE, 3))
    jobs.note({PHONE: 4})
    assert jobs.next_due(FCM) == pytest.approx(30, abs=5)


def test_a_newer_message_is_told_next_when_one_is_under_way(client, jobs):
    jobs.note({PHONE: 3})
    [first] = claim(jobs)
    assert jobs.note({PHONE: 4}) == {PHONE: "raised"}
    assert jobs.finish(first, Outcome.SHOWN) == "more"
    [second] = claim(jobs)
    assert (second.seq, second.tries) == (4, 1)


def test_a_job_is_tried_again_later_and_its_tries_are_counted(client, jobs):
    jobs.note({PHONE: 3})
    [first] = claim(jobs)
    assert jobs.finish(first, Outcome.LATER, wait_s=50) == "kept"
    assert jobs.next_due(FCM) == pytest.approx(50, abs=5)
    client.zadd(keys.push_due(FCM), {"r1 bob phone": 1})
    [second] = claim(jobs)
    assert second.tries == 2
    jobs.finish(second, Outcome.UNUSED)
    [third] = claim(jobs)
    assert third.tries == 2


def test_nothing_is_left_when_a_job_is_dropped(client, jobs):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    assert jobs.finish(claimed, Outcome.DROPPED) == "done"
    assert (left(client), shown(client)) == ((0, 0), None)


def test_a_newer_message_goes_too_when_the_device_is_gone(client, jobs):
    show(jobs, (PHONE, 2))
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    jobs.note({PHONE: 4})
    assert jobs.finish(claimed, Outcome.GONE) == "done"
    assert (left(client), shown(client)) == ((0, 0), None)


def test_a_letter_is_kept_when_a_job_is_given_up(client, jobs):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    assert jobs.finish(claimed, Outcome.DEAD, reason="too large") == "done"
    [(_, letter)] = client.xrange(keys.push_dead(FCM))
    assert letter[b"job"] == b"r1 bob phone"
    assert (letter[b"seq"], letter[b"tries"], letter[b"reason"]) == (b"3", b"1", b"too large")


def test_what_was_given_up_is_not_tried_again_unless_an_operator_asks(client, jobs):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    jobs.finish(claimed, Outcome.DEAD, reason="413")
    assert jobs.note({PHONE: 3}) == {PHONE: "known"}
    assert jobs.note({PHONE: 3}, is_forced=True) == {PHONE: "made"}
    for each in claim(jobs):
        jobs.finish(each, Outcome.SHOWN)
    assert jobs.note({PHONE: 3}, is_forced=True) == {PHONE: "known"}
    assert jobs.note({PHONE: 4}) == {PHONE: "made"}


def test_a_waiting_job_is_gone_when_its_message_is_read(client, jobs):
    jobs.note({PHONE: 3, TABLET: 5})
    assert jobs.withdraw([("r1", "bob", 3), ("r1", "ann", 3), ("r9", "bob", 9)]) == (1, 0)
    assert [each.target for each in claim(jobs)] == [TABLET]
    assert shown(client) is None


def test_a_notification_is_cleared_when_its_message_is_read(client, jobs):
    show(jobs, (PHONE, 3), (TABLET, 5))
    assert jobs.withdraw([("r1", "bob", 4)]) == (0, 1)
    assert jobs.withdraw([("r1", "bob", 4)]) == (0, 0)
    [clear] = claim(jobs)
    assert (clear.target, clear.is_clear, clear.seq, clear.tries) == (PHONE, True, 4, 1)
    assert jobs.finish(clear, Outcome.CLEARED) == "done"
    assert (shown(client), left(client)) == (None, (0, 0))
    assert jobs.withdraw([("r1", "bob", 4)]) == (0, 0)


def test_an_older_notification_is_cleared_when_a_waiting_one_is_read(client, jobs):
    show(jobs, (PHONE, 3))
    jobs.note({PHONE: 4})
    assert jobs.withdraw([("r1", "bob", 4)]) == (0, 1)
    assert [each.is_clear for each in claim(jobs)] == [True]


def test_a_notification_is_cleared_when_it_is_read_while_it_is_sent(client, jobs):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    assert jobs.withdraw([("r1", "bob", 3)]) == (0, 1)
    assert claim(jobs) == []  # not before the other one has arrived
    assert jobs.finish(claimed, Outcome.SHOWN) == "more"
    assert [each.is_clear for each in claim(jobs)] == [True]


@pytest.mark.parametrize("outcome", [Outcome.LATER, Outcome.DROPPED, Outcome.UNUSED, Outcome.DEAD])
def test_nothing_is_cleared_when_it_is_read_while_the_sending_fails(client, jobs, outcome):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    jobs.withdraw([("r1", "bob", 3)])
    assert jobs.finish(claimed, outcome) == "done"
    assert (left(client), shown(client)) == ((0, 0), None)


def test_what_may_be_shown_is_cleared_when_it_is_read_before_the_next_try(client, jobs):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    assert jobs.finish(claimed, Outcome.UNSURE, wait_s=50) == "kept"
    assert jobs.withdraw([("r1", "bob", 3)]) == (0, 1)
    [clear] = claim(jobs)
    assert (clear.is_clear, clear.tries) == (True, 1)
    assert jobs.finish(clear, Outcome.CLEARED) == "done"
    assert (left(client), shown(client)) == ((0, 0), None)


def test_what_may_be_shown_is_cleared_when_it_is_read_while_no_answer_comes(client, jobs):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    jobs.withdraw([("r1", "bob", 3)])
    assert jobs.finish(claimed, Outcome.UNSURE) == "more"
    [clear] = claim(jobs)
    assert clear.is_clear
    assert jobs.finish(clear, Outcome.UNSURE) == "kept"
    assert jobs.note({PHONE: 4}) == {PHONE: "raised"}


def test_a_newer_message_keeps_it_in_mind_that_an_older_one_may_be_shown(client, jobs):
    jobs.note({PHONE: 3})
    [claimed] = claim(jobs)
    jobs.finish(claimed, Outcome.UNSURE, wait_s=50)
    assert jobs.note({PHONE: 4}) == {PHONE: "raised"}
    assert jobs.withdraw([("r1", "bob", 4)]) == (0, 1)


def test_a_new_message_takes_the_place_of_a_clearing_that_waits(client, jobs):
    show(jobs, (PHONE, 3))
    jobs.withdraw([("r1", "bob", 3)])
    assert jobs.note({PHONE: 4}) == {PHONE: "raised"}
    [claimed] = claim(jobs)
    assert (claimed.is_clear, claimed.seq) == (False, 4)


def test_a_new_message_follows_a_clearing_that_is_under_way(client, jobs):
    show(jobs, (PHONE, 3))
    jobs.withdraw([("r1", "bob", 3)])
    [clear] = claim(jobs)
    assert jobs.note({PHONE: 4}) == {PHONE: "raised"}
    assert jobs.finish(clear, Outcome.CLEARED) == "more"
    assert jobs.withdraw([("r1", "bob", 4)]) == (1, 0)  # it is still found


def test_looking_costs_one_round_trip_when_nobody_was_to_be_notified(client, jobs):
    client.config_resetstat()
    jobs.withdraw([("r1", f"u{number}", 3) for number in range(50)])
    calls = client.info("commandstats")
    assert calls["cmdstat_exists"]["calls"] == 100
    assert "cmdstat_evalsha" not in calls
    assert PushJobs(client, []).withdraw([("r1", "bob", 3)]) == (0, 0)
