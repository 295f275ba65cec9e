from dataclasses import replace

import pytest

from chat.model.device import DeviceKind
from chat.push.providers import open_providers
from config.env import Env, SettingError
from config.push import PushSettings, read_push
from tests.support.push.servers import PushServers

NEEDED = {
    DeviceKind.WEBPUSH: {"vapid_key": None},
    DeviceKind.FCM: {"fcm_account": None},
    DeviceKind.APNS: {"apns_key": None},
}


@pytest.fixture(scope="module")
def push(tmp_path_factory) -> PushSettings:
    with PushServers(tmp_path_factory.mktemp("push")) as servers:
        return read_push(Env(servers.environ))


def test_there_is_a_provider_for_each_that_is_configured(push):
    assert open_providers(push).keys() == set(DeviceKind)


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_provider_is_off_when_its_key_is_missing(push, kind):
    assert open_providers(replace(push, **NEEDED[kind])).keys() == set(DeviceKind) - {kind}


def test_there_is_none_when_nothing_is_set():
    assert open_providers(read_push(Env({}))) == {}


def test_a_file_that_went_away_since_is_named(push):
    with pytest.raises(SettingError, match="PUSH_APNS_KEY leads to"):
        open_providers(replace(push, apns_key=push.apns_key.with_name("none.p8")))
