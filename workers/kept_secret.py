"""Secrets that `make run` makes where an operator has set none: kept in a file, and agreed on through Redis."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from workers.redis_probe import open_client


def kept(file: Path, is_good: Callable[[str], bool], make: Callable[[], str]) -> str:
    """Return the secret in a file that only its owner reads; made when there is none that is good."""
    try:
        text = file.read_text().strip()
        if is_good(text):
            return text
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    text = make()
    keep(file, text)
    return text


def keep(file: Path, text: str) -> None:
    """Put a secret in the place of the one in the file."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text + "\n")


def agreed(redis_url: str, key: str, own: str) -> str:
    """Return what the stacks on one Redis share under a key: the first one's."""
    with open_client(redis_url) as client:
        client.set(key, own, nx=True)
        shared = client.get(key)
    return str(shared) if shared else own
