"""After a look, a job waits for each device of those members of a room who are away and have not read its news.

Before: a drain confirmed messages, and some grace has passed. A look reads the store only for people with devices:
in a large room those are few, and who they are is cached in Redis. The second look finds those who were online at
the first and are gone by now. After: `push_sending` delivers the jobs.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from chat.model.clock import now_ms
from chat.model.cursor import Standing
from chat.model.device import Device, DeviceKind
from chat.model.mentions import BLOCK, MentionsRecord, mentions_key
from chat.model.message import message_key
from chat.model.push import Look, Target
from chat.model.room import MembersRecord
from chat.services.devices import Devices
from chat.services.push_choices import PushChoices, wants
from chat.services.push_text import PushMessage
from chat.services.unread import Unread
from chat.store.base import Kind, Store

LOOKS = 20  # rooms at once
USERS_AT_ONCE = 500  # whose documents are read at once
RUN_S = 10.0  # then another run goes on
SENDERS_DEPTH = 100  # of so many messages the senders' own notifications are cleared
MENTIONS_DEPTH = 5000  # numbers of a look in which mentions are looked for

_members = msgspec.json.Decoder(MembersRecord)
_mentions = msgspec.json.Decoder(MentionsRecord)
_message = msgspec.json.Decoder(PushMessage)


class News(Protocol):
    """Looks that are due; one that is not finished comes again."""

    def claim(self, limit: int) -> list[Look]: ...

    def finish(self, looks: Collection[Look]) -> None: ...


class HasDevices(Protocol):
    """The cache of who has devices."""

    def has(self, user_ids: Sequence[str]) -> dict[str, bool | None]: ...

    def keep(self, known: Mapping[str, bool]) -> None: ...


class Jobs(Protocol):
    """The jobs of the providers that are configured."""

    @property
    def kinds(self) -> tuple[DeviceKind, ...]: ...

    def note(self, wanted: Mapping[Target, int]) -> dict[Target, str]: ...

    def withdraw(self, read: Sequence[tuple[str, str, int]]) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a look asks: who is in rooms, as far as that is cached, and who is online."""

    members: Callable[[Sequence[str]], dict[str, set[str]]]
    online: Callable[[Sequence[str]], set[str]]


@dataclass(slots=True)
class Looked:
    """What a run did: jobs that wait now, those taken back, notifications that are cleared; whose jobs wait."""

    made: int = 0
    withdrawn: int = 0
    cleared: int = 0
    kinds: set[DeviceKind] = field(default_factory=set)
    is_unfinished: bool = False  # the time ran out first


class Looking:
    """Looks at rooms with news."""

    def __init__(
        self,
        news: News,
        surroundings: Surroundings,
        has: HasDevices,
        devices: Devices,
        choices: PushChoices,
        unread: Unread,
        store: Store,
        jobs: Jobs,
        *,
        now: Callable[[], int] = now_ms,
        run_s: float = RUN_S,
    ) -> None:
        self._news = news
        self._surroundings = surroundings
        self._has = has
        self._devices = devices
        self._choices = choices
        self._unread = unread
        self._store = store
        self._jobs = jobs
        self._now = now
        self._run_s = run_s

    def run(self, hold: Callable[[], object] = lambda: None) -> Looked:
        """Look until nothing is due; `hold` is called between looks.

        Raises: BrokerUnavailable, StoreUnavailable; what was not finished is looked at again.
        """
        ends_at = time.monotonic() + self._run_s
        done = Looked(is_unfinished=True)
        while time.monotonic() < ends_at:
            hold()
            looks = self._news.claim(LOOKS)
            if not looks:
                done.is_unfinished = False
                break
            for each in _merged(looks):
                self.look(each, done)
            self._news.finish(looks)
        return done

    def look(self, look: Look, done: Looked) -> None:
        """Have the devices notified that are to be, of one room."""
        known: dict[str, list[Device]] = {}
        owners = self._owners(self._members_of(look.room_id), known)
        if not owners:
            return
        if look.turn == 1:
            self._clear_senders(look, owners, done)
        online = self._surroundings.online(owners)
        wanted = self._wanted(look, self._waiting(look, [each for each in owners if each not in online]))
        for some in _batches(wanted):
            asked = [user_id for user_id in some if user_id not in known]
            devices = known | (self._devices.of_many(asked) if asked else {})
            noted = self._jobs.note(
                {
                    Target(each.kind, look.room_id, user_id, each.id): wanted[user_id]
                    for user_id in some
                    for each in devices[user_id]
                    if each.kind in self._jobs.kinds
                }
            )
            done.made += sum(status == "made" for status in noted.values())
            done.kinds |= {target.kind for target, status in noted.items() if status != "known"}

    def _members_of(self, room_id: str) -> set[str]:
        cached = self._surroundings.members([room_id])
        if room_id in cached:
            return cached[room_id]
        found = self._store.get(Kind.MEMBERS, room_id)
        return set(_members.decode(found.body).members) if found else set()

    def _owners(self, user_ids: Collection[str], known: dict[str, list[Device]]) -> list[str]:
        """Return those who have devices; `known` takes the devices that had to be read to tell."""
        has = self._has.has(list(user_ids))
        for some in _batches([user_id for user_id, answer in has.items() if answer is None]):
            found = self._devices.of_many(some)
            known |= found
            self._has.keep({user_id: bool(devices) for user_id, devices in found.items()})
        return [user_id for user_id, answer in has.items() if answer or known.get(user_id)]

    def _waiting(self, look: Look, user_ids: Sequence[str]) -> dict[str, Standing]:
        """Return where those stand who have not read the news."""
        standings = self._unread.of((look.room_id, user_id) for user_id in user_ids) if user_ids else {}
        return {
            user_id: standing
            for (_, user_id), standing in standings.items()
            if standing.unread > 0 and standing.read_seq < look.upto_seq
        }

    def _wanted(self, look: Look, waiting: Mapping[str, Standing]) -> dict[str, int]:
        """Return up to which message each of those who want to hear of the news is told."""
        now = self._now()
        wanted: dict[str, int] = {}
        named_alone: list[str] = []  # who wants to hear of a message that names them, and of no other
        for some in _batches(waiting):
            for user_id, choices in self._choices.of_many(some).items():
                if wants(choices, look.room_id, False, now):
                    wanted[user_id] = look.upto_seq
                elif wants(choices, look.room_id, True, now):
                    named_alone.append(user_id)
        mentions = self._mentions(look) if named_alone else {}
        for user_id in named_alone:
            if (seq := mentions.get(user_id, 0)) > waiting[user_id].read_seq:
                wanted[user_id] = seq
        return wanted

    def _mentions(self, look: Look) -> dict[str, int]:
        """Return the newest of these messages that names each user."""
        lowest = max(look.from_seq, look.upto_seq - MENTIONS_DEPTH)
        blocks = {mentions_key(look.room_id, seq) for seq in [*range(lowest, look.upto_seq, BLOCK), look.upto_seq]}
        newest: dict[str, int] = {}
        for document in self._store.get_many(Kind.MENTIONS, blocks).values():
            record = _mentions.decode(document.body)
            for text, user_ids in record.seqs.items():
                if lowest <= (seq := int(text)) <= look.upto_seq and text not in record.gone:
                    for user_id in user_ids:
                        newest[user_id] = max(newest.get(user_id, 0), seq)
        return newest

    def _clear_senders(self, look: Look, owners: Sequence[str], done: Looked) -> None:
        """Take back what senders were to be told: whoever writes in a room has read it."""
        lowest = max(look.from_seq, look.upto_seq - SENDERS_DEPTH + 1)
        names = [message_key(look.room_id, seq) for seq in range(lowest, look.upto_seq + 1)]
        sent: dict[str, int] = {}
        for document in self._store.get_many(Kind.MESSAGE, names).values():
            message = _message.decode(document.body)
            sent[message.sender_id] = max(sent.get(message.sender_id, 0), message.seq)
        own = [(look.room_id, user_id, sent[user_id]) for user_id in owners if user_id in sent]
        withdrawn, cleared = self._jobs.withdraw(own) if own else (0, 0)
        done.withdrawn += withdrawn
        done.cleared += cleared
        if cleared:
            done.kinds |= set(self._jobs.kinds)


def _merged(looks: Iterable[Look]) -> list[Look]:
    """Return one look for each room: one that is due for the first and the second time is read once."""
    by_room: dict[str, list[Look]] = defaultdict(list)
    for look in looks:
        by_room[look.room_id].append(look)
    return [
        Look(
            room_id,
            min(each.from_seq for each in same),
            max(each.upto_seq for each in same),
            min(each.turn for each in same),
        )
        for room_id, same in by_room.items()
    ]


def _batches(user_ids: Collection[str]) -> Iterable[list[str]]:
    listed = list(user_ids)
    return (listed[start : start + USERS_AT_ONCE] for start in range(0, len(listed), USERS_AT_ONCE))
