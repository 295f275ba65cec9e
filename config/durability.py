"""The choices of `STORE_DURABILITY`: how many copies of a write make it count."""

from __future__ import annotations

from enum import StrEnum


class StoreDurability(StrEnum):
    """What a Couchbase cluster must have done before a write is told as written."""

    AUTO = "auto"  # MAJORITY where the bucket has replicas, otherwise NONE
    MAJORITY = "majority"  # in the memory of most copies of the document
    PERSIST = "persist"  # on the disks of most copies
    NONE = "none"  # in the memory of the active node
