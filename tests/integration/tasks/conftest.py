"""Rooms between a real Valkey and a real SQLite file, and what works on them: in this process, or in others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery

from tasks.context import forget_context, work_context
from tests.support.drainage import Drainage
from tests.support.reading import ReadingScene


@pytest.fixture
def room(redis_url: str, tmp_path: Path) -> Iterator[Drainage]:
    """One room, nothing accepted yet."""
    with redis.Redis.from_url(redis_url) as client:
        drainage = Drainage(client, tmp_path)
        yield drainage
        drainage.close()


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[ReadingScene]:
    """No room yet; whoever is in one may send and read."""
    with redis.Redis.from_url(redis_url) as client:
        scene = ReadingScene(client, tmp_path)
        yield scene
        scene.close()


@pytest.fixture
def environ(redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of a process that works on the same Valkey and file."""
    return {"REDIS_URL": redis_url, "STORE_URL": f"sqlite:///{tmp_path}/chat.db", "AUTH_MODE": "dev"}


@pytest.fixture
def app(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """The real app, its tasks run where they are sent."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    from workers.celery_app import make_app

    forget_context()
    app = make_app(work_context().settings)
    app.conf.task_always_eager = True
    app.conf.task_eager_propagates = True
    app.set_default()
    yield app
    forget_context()
