"""How many unread messages name a user, from positions and what the drain wrote down; nothing is counted up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from chat.model.cursor import Standing
from chat.model.mentions import BLOCK, MentionsRecord, mentions_key
from chat.services.cursors import Pair
from chat.store.base import Kind, Store

DEPTH = 100  # blocks of a room: mentions are counted in its newest 100,000 numbers
_record = msgspec.json.Decoder(MentionsRecord)


class Mentions:
    """Counts for users who stand somewhere in rooms."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, standings: Mapping[Pair, Standing]) -> dict[Pair, int]:
        """Return how many unread messages name each user, in one read of the store; none where nothing is unread.

        Raises: StoreUnavailable.
        """
        unread = {pair: standing for pair, standing in standings.items() if standing.unread > 0}
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
        for (room_id, _), standing in standings.items():
            keys |= {mentions_key(room_id, seq): room_id for seq in _firsts(standing)}
        found: dict[Pair, list[int]] = defaultdict(list)
        for key, document in self._store.get_many(Kind.MENTIONS, list(keys)).items():
            record = _record.decode(document.body)
            for seq, user_ids in record.seqs.items():
                if seq not in record.gone:
                    for user_id in user_ids:
                        found[keys[key], user_id].append(int(seq))
        return found


def _firsts(standing: Standing) -> Iterable[int]:
    """Return a number of each block that holds unread ones."""
    newest = standing.last_seq // BLOCK * BLOCK
    oldest = max((standing.read_seq + 1) // BLOCK * BLOCK, newest - (DEPTH - 1) * BLOCK)
    return range(oldest, newest + 1, BLOCK)
