"""The key that signs tokens while trying things out: made once, and the same for all servers of one Redis."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from config.settings import LEAST_SECRET_BYTES
from workers.redis_probe import open_client

SHARED_KEY = "chat:dev_secret"  # no TTL: tokens outlive a restart


def dev_secret(data_dir: Path, shared_redis_url: str | None) -> str:
    """Return the key of this folder, or the one that the stacks on a shared Redis agree on."""
    own = _secret_of(data_dir / "dev-secret")
    return _agree(shared_redis_url, own) if shared_redis_url else own


def _secret_of(file: Path) -> str:
    try:
        text = file.read_text().strip()
        if len(text) >= LEAST_SECRET_BYTES:
            return text
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    file.unlink(missing_ok=True)
    text = secrets.token_urlsafe(48)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text + "\n")
    return text


def _agree(redis_url: str, own: str) -> str:
    with open_client(redis_url) as client:
        client.set(SHARED_KEY, own, nx=True)
        agreed = client.get(SHARED_KEY)
    return str(agreed) if agreed else own
