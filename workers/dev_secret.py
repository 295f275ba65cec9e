"""The key that signs tokens while trying things out: made once, and the same for all servers of one Redis."""

from __future__ import annotations

import secrets
from pathlib import Path

from config.settings import LEAST_SECRET_BYTES
from workers.kept_secret import agreed, kept

SHARED_KEY = "chat:dev_secret"  # no TTL: tokens outlive a restart


def dev_secret(data_dir: Path, shared_redis_url: str | None) -> str:
    """Return the key of this folder, or the one that the stacks on a shared Redis agree on."""
    own = kept(data_dir / "dev-secret", _is_long, lambda: secrets.token_urlsafe(48))
    return agreed(shared_redis_url, SHARED_KEY, own) if shared_redis_url else own


def _is_long(text: str) -> bool:
    return len(text) >= LEAST_SECRET_BYTES
