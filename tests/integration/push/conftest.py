"""The three stand-ins, and providers that know them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chat.model.device import DeviceKind
from chat.push.base import Provider
from chat.push.providers import open_providers
from config.env import Env
from config.push import PushSettings, read_push
from tests.support.push.servers import PushServers


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[PushServers]:
    with PushServers(tmp_path_factory.mktemp("push")) as servers:
        yield servers


@pytest.fixture
def push(running: PushServers) -> PushServers:
    """The servers as they are at first."""
    running.reset()
    return running


@pytest.fixture
def push_settings(running: PushServers) -> PushSettings:
    return read_push(Env(running.environ))


@pytest.fixture
def providers(push_settings: PushSettings) -> Iterator[dict[DeviceKind, Provider]]:
    opened = open_providers(push_settings)
    yield opened
    for provider in opened.values():
        provider.close()


@pytest.fixture
def untrusting(push_settings: PushSettings) -> Iterator[dict[DeviceKind, Provider]]:
    """Providers of an operator who trusts no host with a private address."""
    opened = open_providers(replace(push_settings, trusted_hosts=()))
    yield opened
    for provider in opened.values():
        provider.close()
