"""After a submit here the message is accepted in Redis, or its sender is told why not.

Before: the dispatcher made a draft of a frame. After: the relay gets the publication, a worker the outbox
entry. One greenlet owns one connection: whatever drafts arrive while a round trip is under way go out
together in the next one, so a lone message does not wait and a flood costs one round trip per few hundred.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import gevent
import hiredis
from gevent.event import Event

from chat.broker import keys, scripts
from chat.broker.base import Accepted, AcceptOutcome, Cold, Draft, Duplicate, OnOutcome, Overloaded
from chat.broker.client import RedisAddress
from chat.broker.wire import Wire, pack
from chat.errors import BrokerError, BrokerUnavailable, OutboxFull

BATCH_LIMIT = 300  # drafts in one round trip: beyond it a batch only adds latency to its first message
ROOM_BATCH_LIMIT = 100  # messages in one script call: about 1 ms in which Redis serves nobody else
BUDGET_S = 3.0  # a draft older than this is not tried again; with one more timeout (2 s) its sender waits 5 s
QUEUE_LIMIT = 50_000  # drafts in memory while Redis does not answer; past it they are refused at once
RECONNECT_PAUSE_S = 0.05
# Error replies after which the same connection can't serve: another server has become the master, or will.
RETRYABLE = ("LOADING", "READONLY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN")
log = logging.getLogger(__name__)


class _Job(NamedTuple):
    draft: Draft
    on_outcome: OnOutcome
    submitted: float


class GroupCommit:
    """The one writer of a server process to the accept step."""

    def __init__(self, address: RedisAddress, *, outbox_limit: int, log_length: int) -> None:
        self._wire = Wire(address)
        self._script = scripts.load("accept_messages")
        self._pack = _packer(self._script.digest, outbox_limit, log_length)
        self._queue: deque[_Job] = deque()
        self._under_way: list[_Job] = []
        self._wake = Event()
        self._stopping = False
        self._greenlet: Any = None
        self.round_trips = 0

    def start(self) -> None:
        """Begin to serve submits."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Send what is queued, then end; what can't be sent within `timeout_s` is refused."""
        self._stopping = True
        self._wake.set()
        if self._greenlet is not None:
            self._greenlet.join(timeout_s)
            self._greenlet.kill()
        self._wire.close()

    def submit(self, draft: Draft, on_outcome: OnOutcome) -> None:
        """Queue a draft; `on_outcome` gets its outcome, or BrokerUnavailable, within about 5 s."""
        if self._stopping:
            on_outcome(BrokerUnavailable("accept"))
            return
        if len(self._queue) >= QUEUE_LIMIT:
            on_outcome(OutboxFull())
            return
        self._queue.append(_Job(draft, on_outcome, time.monotonic()))
        if not self._wake.is_set():
            self._wake.set()

    def is_submitting(self, is_meant: Callable[[Draft], bool]) -> bool:
        """Tell whether such a draft has no outcome yet."""
        return any(is_meant(job.draft) for jobs in (self._queue, self._under_way) for job in jobs)

    def _run(self) -> None:
        try:
            self._serve()
        finally:  # stopped, killed or broken: nobody may wait for an answer that can't come
            self._stopping = True
            for job in [*self._under_way, *self._queue]:
                _tell(job, BrokerUnavailable("accept"))
            self._queue.clear()

    def _serve(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                self._wake.clear()
                self._wake.wait()
                continue
            count = min(len(self._queue), BATCH_LIMIT)
            self._commit([self._queue.popleft() for _ in range(count)])

    def _commit(self, jobs: list[_Job]) -> None:
        self._under_way = jobs
        groups = _by_room(jobs)
        try:
            replies = self._exchange(groups)
        except OSError as exc:
            log.warning("accept-connection-lost", extra={"error": str(exc), "waiting": len(jobs)})
            again = jobs
        else:
            again = _tell_all(groups, replies)
        self._under_way = []
        if again:
            self._wire.close()
            self._retry(again)

    def _exchange(self, groups: list[list[_Job]]) -> list[Any]:
        """Return one reply per group; safe to repeat, because a temp id is accepted once."""
        if not self._wire.is_open:
            self._wire.open()
            self._load()
        commands = b"".join([self._pack(group) for group in groups])
        self.round_trips += 1
        self._wire.send(commands)
        replies = self._wire.replies(len(groups))
        if any(_is_error(reply, "NOSCRIPT") for reply in replies):
            self._load()
            self._wire.send(commands)
            replies = self._wire.replies(len(groups))
        return replies

    def _load(self) -> None:
        self._wire.send(pack((b"SCRIPT", b"LOAD", self._script.source)))
        reply = self._wire.replies(1)[0]
        if isinstance(reply, hiredis.ReplyError):
            raise ConnectionError(str(reply))

    def _retry(self, jobs: Sequence[_Job]) -> None:
        oldest_kept = time.monotonic() - BUDGET_S
        kept = [job for job in jobs if job.submitted >= oldest_kept]
        for job in jobs:
            if job.submitted < oldest_kept:
                _tell(job, BrokerUnavailable("accept"))
        self._queue.extendleft(reversed(kept))
        while self._queue and self._queue[0].submitted < oldest_kept:
            _tell(self._queue.popleft(), BrokerUnavailable("accept"))
        gevent.sleep(RECONNECT_PAUSE_S)


def _tell_all(groups: list[list[_Job]], replies: list[Any]) -> list[_Job]:
    """Tell the outcomes; return the jobs that another connection has to serve."""
    again: list[_Job] = []
    for group, reply in zip(groups, replies, strict=True):
        if _is_error(reply, RETRYABLE):
            again += group
        else:
            _tell_group(group, reply)
    return again


def _is_error(reply: Any, starts: str | tuple[str, ...]) -> bool:
    return isinstance(reply, hiredis.ReplyError) and str(reply).startswith(starts)


def _tell(job: _Job, outcome: AcceptOutcome | BrokerError) -> None:
    try:
        job.on_outcome(outcome)
    except Exception:
        # One sender's fault must not end the greenlet that serves all of them.
        log.exception("accept-callback-failed", extra={"action": "go on"})


def _by_room(jobs: list[_Job]) -> list[list[_Job]]:
    """Group jobs by room, in the order they came; a group is at most ROOM_BATCH_LIMIT long."""
    groups: list[list[_Job]] = []
    open_group: dict[str, list[_Job]] = {}
    for job in jobs:
        group = open_group.get(job.draft.room_id)
        if group is None or len(group) >= ROOM_BATCH_LIMIT:
            group = open_group[job.draft.room_id] = []
            groups.append(group)
        group.append(job)
    return groups


def _tell_group(group: list[_Job], reply: Any) -> None:
    if isinstance(reply, hiredis.ReplyError):
        log.error("accept-refused-by-redis", extra={"error": str(reply)})
        outcomes: list[Any] = [BrokerUnavailable("accept")] * len(group)
    elif reply[0] == b"ok":
        epoch = reply[1].decode()
        outcomes = [_outcome(epoch, answer.decode()) for answer in reply[2:]]
    else:
        outcomes = [Cold()] * len(group)
    for job, outcome in zip(group, outcomes, strict=True):
        _tell(job, outcome)


def _outcome(epoch: str, answer: str) -> AcceptOutcome:
    if answer.startswith("accepted"):
        _, seq, offset = answer.split(" ")
        return Accepted(int(seq), epoch, int(offset))
    if answer == "overloaded":
        return Overloaded()
    _, state, seq, prior_epoch, *error = answer.split(" ", 5)
    return Duplicate(state, int(seq), prior_epoch, *error)


def _packer(digest: bytes, outbox_limit: int, log_length: int) -> Callable[[list[_Job]], bytes]:
    """Return a function that packs one room's drafts into one command."""

    @lru_cache(maxsize=16_384)
    def of_room(room_id: str) -> tuple[tuple[str, ...], tuple[str | int, ...]]:
        shard = keys.shard_of(room_id)
        room_keys = (keys.head(room_id), keys.log(room_id), keys.outbox(shard), keys.stats(shard))
        room_args = (room_id, keys.room_channel(room_id), outbox_limit, log_length)
        return (*room_keys, keys.partial(shard)), room_args

    def pack_group(group: list[_Job]) -> bytes:
        room_keys, room_args = of_room(group[0].draft.room_id)
        command: list[bytes | str | int] = [b"EVALSHA", digest, len(room_keys) + len(group), *room_keys]
        command += [keys.dedupe(each.draft.room_id, each.draft.sender_id, each.draft.temp_id) for each in group]
        command += room_args
        for each in group:
            draft = each.draft
            command += (draft.sender_id, draft.temp_id, draft.accepted_ms, draft.confirm_by, draft.members)
        return pack(command)

    return pack_group
