"""pytest-celery's fixtures, with processes of this machine where the plugin would start containers.

Only what names an image, a volume or a network is replaced; setup, clusters and nodes are the plugin's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import redis
from celery import Celery, _state
from pytest_celery import CeleryTestBroker, RedisTestBroker  # type: ignore[import-untyped]

from tests.support.celery_nodes.broker import ValkeyContainer, valkey_process
from tests.support.celery_nodes.process import MARK, ProcessContainer, left_running
from tests.support.celery_nodes.setup import ChatSetup
from tests.support.celery_nodes.worker import ChatWorker, ChatWorkerContainer
from tests.support.drainage import Drainage


@pytest.fixture(scope="session")
def docker_client() -> NoReturn:
    """There is none: whatever asks for it was not replaced here."""
    pytest.fail("a fixture of pytest-celery asked for Docker")


@pytest.fixture(autouse=True)
def node_mark() -> Iterator[str]:
    """What every process of this test carries in its environment; none of them outlives the test."""
    mark = uuid.uuid4().hex
    yield mark
    assert left_running(mark) == []


# broker


@pytest.fixture
def default_redis_broker_cls() -> type[ValkeyContainer]:
    return ValkeyContainer


@pytest.fixture
def default_redis_broker(
    default_redis_broker_cls: type[ValkeyContainer],
    default_redis_broker_command: list[str],
    node_mark: str,
    tmp_path: Path,
) -> Iterator[ValkeyContainer]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    with valkey_process(default_redis_broker_command, {MARK: node_mark}, folder) as process:
        container = default_redis_broker_cls(process)
        assert container.ready()
        yield container


@pytest.fixture
def celery_broker(celery_redis_broker: RedisTestBroker) -> CeleryTestBroker:
    """The one broker that the chat runs on, in place of all that the plugin knows."""
    return celery_redis_broker


@pytest.fixture
def celery_backend_cluster() -> None:
    """No task has a result."""


# the room that everything is about


@pytest.fixture
def room(default_redis_broker: ValkeyContainer, tmp_path: Path) -> Iterator[Drainage]:
    """One room in the node's database 0 and a SQLite file, nothing accepted yet."""
    with redis.Redis.from_url(default_redis_broker.data_url) as client:
        room = Drainage(client, tmp_path)
        yield room
        room.close()


# workers


@pytest.fixture
def default_worker_cls() -> type[ChatWorker]:
    return ChatWorker


@pytest.fixture
def default_worker_container_cls() -> type[ChatWorkerContainer]:
    return ChatWorkerContainer


@pytest.fixture
def default_worker_env(
    default_worker_container_cls: type[ChatWorkerContainer],
    celery_worker_cluster_config: dict,
    default_redis_broker: ValkeyContainer,
    room: Drainage,
    node_mark: str,
) -> dict[str, str]:
    places = {"REDIS_URL": default_redis_broker.data_url, "STORE_URL": f"sqlite:///{room.path}"}
    return default_worker_container_cls.initial_env(celery_worker_cluster_config, {**places, MARK: node_mark})


@pytest.fixture
def default_worker_container(
    default_worker_container_cls: type[ChatWorkerContainer],
    default_worker_command: list[str],
    default_worker_env: dict[str, str],
    tmp_path: Path,
) -> Iterator[ChatWorkerContainer]:
    with ProcessContainer(
        default_worker_command, name="worker", folder=tmp_path, environ=default_worker_env
    ) as process:
        container = default_worker_container_cls(process)
        assert container.ready()
        yield container


# setup


@pytest.fixture
def celery_setup_cls() -> type[ChatSetup]:
    return ChatSetup


@pytest.fixture
def celery_setup_app(
    celery_setup_cls: type[ChatSetup],
    celery_setup_config: dict,
    celery_setup_name: str,
    default_worker_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Celery]:
    """The app as the workers have it; the current app of other tests is theirs again afterwards."""
    for name, value in default_worker_env.items():
        monkeypatch.setenv(name, value)
    before = _state._tls.current_app
    app = celery_setup_cls.create_setup_app(celery_setup_config, celery_setup_name)
    yield app
    app.close()
    _state._set_current_app(before)
