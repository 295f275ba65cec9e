"""What a job says is read right before it is sent, so that nobody is told of what is read, deleted or not theirs.

Before: a worker claimed jobs. After: each has its device and notice, or a reason to drop it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from chat.model.cursor import Standing
from chat.model.device import Device
from chat.model.message import message_key
from chat.model.push import Claimed
from chat.model.room import MembersRecord, RoomRecord
from chat.push.base import Notice, NoticeKind
from chat.services.cursors import Pair
from chat.services.devices import Devices
from chat.services.push_choices import Choices, PushChoices, wants
from chat.services.push_retry import RETRY_FOR_S
from chat.services.push_text import Content, PushMessage, collapse_of, notice_id, text_of
from chat.services.unread import Unread
from chat.store.base import Kind, Store

DEPTH = 20  # messages before a deleted one among which the newest that is left is looked for

_members = msgspec.json.Decoder(MembersRecord)
_message = msgspec.json.Decoder(PushMessage)
_room = msgspec.json.Decoder(RoomRecord)


class Ready(NamedTuple):
    """A job that can be sent."""

    claimed: Claimed
    device: Device
    notice: Notice


class Unwanted(NamedTuple):
    """A job that is dropped, and why."""

    claimed: Claimed
    reason: str


class Totals(Protocol):
    """How much users have not read in all."""

    def __call__(self, user_ids: Collection[str]) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read for some jobs."""

    devices: Mapping[str, list[Device]]
    rooms: Mapping[str, RoomRecord]
    members: set[Pair]
    standings: Mapping[Pair, Standing]
    choices: Mapping[str, Choices]
    totals: Mapping[str, int]
    messages: Mapping[str, PushMessage]


class Loading:
    """Loads claimed jobs, any number of them in the same number of round trips.

    `is_member` tells what Redis knows of memberships, None where it does not; `totals` counts for the badge.
    """

    def __init__(
        self,
        store: Store,
        devices: Devices,
        choices: PushChoices,
        unread: Unread,
        is_member: Callable[[Sequence[Pair]], Mapping[Pair, bool | None]],
        totals: Totals,
        *,
        content: Content,
        ttl_s: int,
    ) -> None:
        self._store = store
        self._devices = devices
        self._choices = choices
        self._unread = unread
        self._is_member = is_member
        self._totals = totals
        self._content = content
        self._ttl_s = ttl_s

    def load(self, claimed: Sequence[Claimed], now: int) -> list[Ready | Unwanted]:
        """Return what becomes of each job. Raises StoreUnavailable, BrokerUnavailable."""
        known = self._read(claimed)
        return [self._judge(each, known, now) for each in claimed]

    def _read(self, claimed: Sequence[Claimed]) -> _Known:
        users = {each.target.user_id for each in claimed}
        tellings = [each for each in claimed if not each.is_clear]
        pairs = list(dict.fromkeys((each.target.room_id, each.target.user_id) for each in tellings))
        names = {message_key(each.target.room_id, each.seq) for each in tellings}
        standings = self._unread.of(pairs) if pairs else {}
        messages = self._messages(names)
        return _Known(
            self._devices.of_many(users),
            self._rooms({room_id for room_id, _ in pairs}),
            self._members_among(pairs),
            standings,
            self._choices.of_many({user_id for _, user_id in pairs}) if pairs else {},
            self._totals(users),
            messages | self._messages(_before_the_missing(tellings, standings, messages)),
        )

    def _judge(self, claimed: Claimed, known: _Known, now: int) -> Ready | Unwanted:
        target = claimed.target
        device = next((each for each in known.devices[target.user_id] if each.id == target.device_id), None)
        age_s = (now - claimed.born_ms) // 1000
        left_s = max(self._ttl_s - age_s, 0)
        if device is None:
            return Unwanted(claimed, "device is gone")
        if age_s > max(self._ttl_s, RETRY_FOR_S):
            return Unwanted(claimed, "expired")
        total = known.totals.get(target.user_id, 0)
        if claimed.is_clear:
            return Ready(claimed, device, self._clearing(claimed, total, left_s))
        found = self._to_tell(claimed, known, now)
        if isinstance(found, str):
            return Unwanted(claimed, found)
        room_id = target.room_id
        standing = known.standings[room_id, target.user_id]
        text = text_of(found, known.rooms[room_id], standing.unread, self._content)
        notice = Notice(
            notice_id(found.id, device.id),
            NoticeKind.MESSAGE,
            collapse_of(room_id),
            *(room_id, found.id, found.seq, text.title, text.body, total, left_s),
        )
        return Ready(claimed, device, notice)

    def _clearing(self, claimed: Claimed, total: int, left_s: int) -> Notice:
        room_id, device_id = claimed.target.room_id, claimed.target.device_id
        return Notice(
            notice_id(f"clear:{room_id}:{claimed.seq}", device_id),
            NoticeKind.CLEAR,
            collapse_of(room_id),
            *(room_id, "", claimed.seq, "", "", total, left_s),
        )

    def _to_tell(self, claimed: Claimed, known: _Known, now: int) -> PushMessage | str:
        """Return the newest message of a job that its user wants to hear of, or why there is none."""
        room_id, user_id = claimed.target.room_id, claimed.target.user_id
        if room_id not in known.rooms or (room_id, user_id) not in known.members:
            return "not a member"
        standing, choices = known.standings[room_id, user_id], known.choices[user_id]
        if standing.read_seq >= claimed.seq:
            return "read"
        if not wants(choices, room_id, True, now):
            return "not wanted"
        is_all = wants(choices, room_id, False, now)
        for seq in range(claimed.seq, max(standing.read_seq, claimed.seq - DEPTH, 0), -1):
            message = known.messages.get(message_key(room_id, seq))
            if message is None or message.deleted_at or message.sender_id == user_id:
                continue
            if is_all or message.names(user_id):
                return message
        return "not wanted" if claimed.seq > standing.read_seq and not is_all else "deleted"

    def _messages(self, names: Collection[str]) -> dict[str, PushMessage]:
        found = self._store.get_many(Kind.MESSAGE, names) if names else {}
        return {name: _message.decode(document.body) for name, document in found.items()}

    def _rooms(self, room_ids: Collection[str]) -> dict[str, RoomRecord]:
        found = self._store.get_many(Kind.ROOM, room_ids) if room_ids else {}
        rooms = {room_id: _room.decode(document.body) for room_id, document in found.items()}
        return {room_id: room for room_id, room in rooms.items() if not room.deleted_at}

    def _members_among(self, pairs: Sequence[Pair]) -> set[Pair]:
        answers = self._is_member(pairs) if pairs else {}
        cold = defaultdict(set)
        for pair, answer in answers.items():
            if answer is None:
                cold[pair[0]].add(pair)
        found = self._store.get_many(Kind.MEMBERS, list(cold)) if cold else {}
        members = {pair for pair, answer in answers.items() if answer}
        for room_id, document in found.items():
            record = _members.decode(document.body)
            members |= {pair for pair in cold[room_id] if pair[1] in record.members}
        return members


def _before_the_missing(
    claimed: Sequence[Claimed], standings: Mapping[Pair, Standing], messages: Mapping[str, PushMessage]
) -> set[str]:
    """Return the names of messages that may be told in place of ones that are deleted or not there."""
    names: set[str] = set()
    for each in claimed:
        room_id, user_id = each.target.room_id, each.target.user_id
        found = messages.get(message_key(room_id, each.seq))
        if found is None or found.deleted_at or found.sender_id == user_id:
            lowest = max(standings[room_id, user_id].read_seq, each.seq - DEPTH, 0)
            names |= {message_key(room_id, seq) for seq in range(each.seq - 1, lowest, -1)}
    return names
