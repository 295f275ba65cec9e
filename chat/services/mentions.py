"""How many unread messages name a user, from positions and what the drain wrote down; nothing is counted up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from chat.model.cursor import UNKNOWN, Standing
from chat.model.mentions import BLOCK, MentionsRecord, mentions_key
from chat.services.cursors import Pair
from chat.store.base import Kind, Store

DEPTH = 100  # blocks of a room: mentions are counted in its newest 100,000 numbers
_record = msgspec.json.Decoder(MentionsRecord)


def _nobody_notes(_newest: Mapping[str, int]) -> None:
    """Stand in where nothing is kept of what was found."""


class Mentions:
    """Counts for users who stand somewhere in rooms.

    `note({room: seq})` keeps that no message behind that number names anybody, so that the next count needs no
    store where all of those were read.
    """

    def __init__(self, store: Store, note: Callable[[Mapping[str, int]], None] = _nobody_notes) -> None:
        self._store = store
        self._note = note

    def of(self, standings: Mapping[Pair, Standing]) -> dict[Pair, int]:
        """Return how many unread messages name each user.

        One read of the store, none where no unread message is known to name anybody.
        Raises: StoreUnavailable, BrokerUnavailable.
        """
        unread = {pair: each for pair, each in standings.items() if each.unread > 0 and _may_name(each)}
        if not unread:
            return {}
        named = self._named(unread)
        counts = {}
        for (room_id, user_id), standing in unread.items():
            seqs = named.get((room_id, user_id), ())
            if count := sum(standing.read_seq < seq <= standing.last_seq for seq in seqs):
                counts[room_id, user_id] = count
        return counts

    def _named(self, standings: Mapping[Pair, Standing]) -> dict[Pair, list[int]]:
        keys: dict[str, str] = {}
        newest: dict[str, int] = {}
        for (room_id, _), standing in standings.items():
            firsts = _firsts(standing)
            keys |= {mentions_key(room_id, seq): room_id for seq in firsts}
            newest[room_id] = max(firsts[0] - 1, newest.get(room_id, 0))
        found: dict[Pair, list[int]] = defaultdict(list)
        for key, document in self._store.get_many(Kind.MENTIONS, list(keys)).items():
            record = _record.decode(document.body)
            for seq, user_ids in record.seqs.items():
                newest[keys[key]] = max(newest[keys[key]], int(seq))
                if seq not in record.gone:
                    for user_id in user_ids:
                        found[keys[key], user_id].append(int(seq))
        unknown = {room_id for (room_id, _), each in standings.items() if each.mentioned_seq == UNKNOWN}
        if unknown:
            self._note({room_id: newest[room_id] for room_id in unknown})
        return found


def _may_name(standing: Standing) -> bool:
    return standing.mentioned_seq == UNKNOWN or standing.mentioned_seq > standing.read_seq


def _firsts(standing: Standing) -> range:
    """Return a number of each block that holds unread ones."""
    newest = standing.last_seq // BLOCK * BLOCK
    oldest = max((standing.read_seq + 1) // BLOCK * BLOCK, newest - (DEPTH - 1) * BLOCK)
    return range(oldest, newest + 1, BLOCK)
