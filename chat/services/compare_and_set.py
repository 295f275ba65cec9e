"""After a change here a document says what was decided on its newest state, whoever else changed it meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from chat.errors import CasMismatch, DocumentExists, DocumentMissing, StoreUnavailable
from chat.store.base import Kind, Store

WRITE_WITHIN_S = 3.0  # no write begins later, however many rivals it has
PAUSE_S = 0.01  # at most, before a change is tried again after a rival's

Decide = Callable[[bytes | None], bytes | None]


def change(store: Store, kind: Kind, key: str, decide: Decide) -> None:
    """Let `decide` make the document's body of the one that is there; None leaves it as it is.

    It is asked anew when another change came first, and what it raises is raised. Raises: StoreUnavailable.
    """
    deadline = time.monotonic() + WRITE_WITHIN_S
    while True:
        found = store.get(kind, key)
        body = decide(found.body if found else None)
        if body is None:
            return
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"too many changes of {kind} {key} at once")
        try:
            if found is None:
                store.insert(kind, key, body)
            else:
                store.replace(kind, key, body, found.cas)
            return
        except (CasMismatch, DocumentExists, DocumentMissing):
            time.sleep(random.uniform(0, PAUSE_S))
