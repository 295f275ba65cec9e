"""Notifications that wait for a provider: noted, claimed, finished and taken back, one atomic step each."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.client import translated
from chat.model.clock import now_ms
from chat.model.device import DeviceKind
from chat.model.push import Claimed, Outcome, PushLetter, Target

DAY_S = 86_400
AT_ONCE = 500  # script calls in one pipeline: some 5 ms of Redis
LETTERS_KEPT = 10_000  # of a provider, the newest

Read = tuple[str, str, int]  # room, user, up to which number


class PushJobs:
    """The jobs of the providers that are configured."""

    def __init__(
        self,
        client: redis.Redis,
        kinds: Collection[DeviceKind],
        *,
        keep_s: int = DAY_S,
        spacing_s: float = 0,
        lease_s: float = 60,
    ) -> None:
        self.kinds = tuple(kinds)
        self._client = client
        self._keep_s = max(keep_s, DAY_S) + 3600  # longer than any job waits
        self._spacing_ms = int(spacing_s * 1000)
        self._lease_ms = int(lease_s * 1000)
        self._note = client.register_script(scripts.load("note_push").source)
        self._claim = client.register_script(scripts.load("claim_pushes").source)
        self._finish = client.register_script(scripts.load("finish_push").source)
        self._withdraw = client.register_script(scripts.load("withdraw_pushes").source)

    def note(self, wanted: Mapping[Target, int], *, is_forced: bool = False) -> dict[Target, str]:
        """Have devices notified up to a message; return what each of them has now: made, raised or known.

        What was given up is not tried again but with `is_forced`.
        """
        told: dict[Target, str] = {}
        left = iter(wanted.items())
        while some := list(islice(left, AT_ONCE)):
            with translated("note pushes"):
                pipeline = self._client.pipeline(transaction=False)
                for target, seq in some:
                    args: list[Any] = [_name(target), target.device_id, seq, now_ms(), self._keep_s]
                    args += (self._spacing_ms, int(is_forced))
                    self._note(_keys(target), args, client=pipeline)
                replies = pipeline.execute()
            told |= {target: reply[0].decode() for (target, _), reply in zip(some, replies, strict=True)}
        return told

    def claim(self, kind: DeviceKind, limit: int) -> list[Claimed]:
        """Take jobs that are due; each is given to nobody else until its lease ends."""
        token = secrets.token_hex(8)
        with translated("claim pushes"):
            reply: Any = self._claim(
                [keys.push_due(kind), keys.push_jobs(kind)], [now_ms(), self._lease_ms, limit, token]
            )
        return [_claimed(kind, *pair) for pair in zip(reply[1::2], reply[2::2], strict=True)]

    def finish(self, claimed: Claimed, outcome: Outcome, *, wait_s: float = 0, reason: str = "") -> str:
        """Tell what became of a job; return done, kept, more or lost."""
        target, now = claimed.target, now_ms()
        args: list[Any] = [
            *(_name(target), target.device_id, claimed.token, outcome, claimed.seq),
            *("c" if claimed.is_clear else "m", now, now + int(wait_s * 1000)),
            *(self._keep_s, self._spacing_ms, LETTERS_KEPT),
        ]
        if outcome is Outcome.DEAD:
            args += ["job", _name(target), "seq", claimed.seq, "tries", claimed.tries, "reason", reason, "at", now]
        with translated("finish a push"):
            reply: Any = self._finish([*_keys(target), keys.push_dead(target.kind)], args)
        return str(reply[0].decode())

    def withdraw(self, read: Sequence[Read]) -> tuple[int, int]:
        """Take back what users have read meanwhile; return how many jobs went and how many clear something.

        One round trip when nobody of them was to be notified, two otherwise.
        """
        places = [(kind, each) for each in read for kind in self.kinds]
        if not places:
            return 0, 0
        with translated("withdraw pushes"):
            pipeline = self._client.pipeline(transaction=False)
            for kind, (room_id, user_id, _) in places:
                pipeline.exists(keys.push_shown(kind, room_id, user_id))
            found = [place for place, is_there in zip(places, pipeline.execute(), strict=True) if is_there]
            for kind, (room_id, user_id, seq) in found:
                names = [keys.push_due(kind), keys.push_jobs(kind), keys.push_shown(kind, room_id, user_id)]
                self._withdraw(names, [room_id, user_id, seq, now_ms()], client=pipeline)
            replies = pipeline.execute() if found else []
        return sum(int(reply[1]) for reply in replies), sum(int(reply[2]) for reply in replies)

    def next_due(self, kind: DeviceKind) -> float | None:
        """Return in how many seconds the next job is due, at most 0 for now, None when none waits."""
        with translated("look for pushes"):
            found: Any = self._client.zrange(keys.push_due(kind), 0, 0, withscores=True)
        return (found[0][1] - now_ms()) / 1000 if found else None

    def waiting(self) -> dict[DeviceKind, int]:
        """Return how many jobs wait for each provider."""
        with translated("count pushes"):
            pipeline = self._client.pipeline(transaction=False)
            for kind in self.kinds:
                pipeline.zcard(keys.push_due(kind))
            return dict(zip(self.kinds, pipeline.execute(), strict=True))


def target_of(kind: DeviceKind, name: str) -> Target:
    """Return the target of a job's name."""
    room_id, user_id, device_id = name.split(" ")
    return Target(kind, room_id, user_id, device_id)


def letter_of(kind: DeviceKind, entry_id: bytes, fields: Mapping[bytes, bytes]) -> PushLetter:
    """Read a dead letter, as `finish_push.lua` wrote it."""
    return PushLetter(
        f"{kind}:{entry_id.decode()}",
        target_of(kind, fields[b"job"].decode()),
        int(fields[b"seq"]),
        int(fields[b"tries"]),
        fields[b"reason"].decode(),
        int(fields[b"at"]),
    )


def _keys(target: Target) -> list[str]:
    kind = target.kind
    return [keys.push_due(kind), keys.push_jobs(kind), keys.push_shown(kind, target.room_id, target.user_id)]


def _name(target: Target) -> str:
    return f"{target.room_id} {target.user_id} {target.device_id}"


def _claimed(kind: DeviceKind, name: bytes, record: bytes) -> Claimed:
    notice, seq, tries, first, born, token = record.decode().split(" ")
    target = target_of(kind, name.decode())
    return Claimed(target, int(seq), notice == "c", int(tries), int(first), int(born), token)
