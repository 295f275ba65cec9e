"""A server's parts as settings make them; nothing connects before its first use."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.gateway.assembly import WakeUps
from chat.gateway.assembly.parts import Parts, parts_of
from config.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings of a server that is never asked."""
    return load_settings(
        {
            "AUTH_SECRET": "x" * 40,
            "DATA_DIR": str(tmp_path),
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "MAX_ROOMS_PER_SOCKET": "7",
        }
    )


@pytest.fixture
def parts(settings: Settings) -> Parts:
    """Return the parts of such a server."""
    return parts_of(settings, WakeUps(list, list, list, list, list, lambda *_: None))
