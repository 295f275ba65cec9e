"""A room of three on a real Valkey and a real store, with providers in memory: one of them has a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from chat.model.device import Device
from tests.support.pushing import PushScene


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[PushScene]:
    """Ann, Bob and Cleo in r1."""
    with redis.Redis.from_url(redis_url) as client:
        scene = PushScene(client, tmp_path)
        scene.make("r1", ("ann", "bob", "cleo"))
        yield scene
        scene.close()


@pytest.fixture
def phone(scene: PushScene) -> Device:
    """Bob's."""
    return scene.enroll("bob")
