"""The stand-ins refuse what the real providers refuse, so that a test that passes means something."""

import jwt
import pytest

from chat.model.device import DeviceKind
from chat.push.base import Paused, Refused
from chat.push.endpoints import read_address
from chat.push.providers import open_providers
from chat.push.transport import Answer, Transport, tls_context
from config.env import Env
from config.push import read_push
from tests.support.push.notices import notice
from tests.support.push.servers import PushServers
from workers.vapid_key import make_key


@pytest.fixture(scope="module")
def push(tmp_path_factory):
    with PushServers(tmp_path_factory.mktemp("push")) as servers:
        yield servers


def ask(
    push: PushServers, url: str, headers: dict[str, str], body: bytes = b"{}", is_http2: bool = False
) -> Answer:
    transport = Transport(tls_context(push.ca_file), ["127.0.0.1"], is_http2=is_http2)
    place = read_address(url)
    assert place is not None
    try:
        return transport.post(place, headers, body, transport.limits.deadline())
    finally:
        transport.close()


def test_web_push_is_refused_without_a_signature(push):
    assert ask(push, push.target(DeviceKind.WEBPUSH).address, {"TTL": "1"}).status == 401


def test_web_push_is_refused_with_another_key(push):
    settings = read_push(Env({**push.environ, "PUSH_VAPID_KEY": make_key()}))
    result = open_providers(settings)[DeviceKind.WEBPUSH].push(push.target(DeviceKind.WEBPUSH).device(), notice())
    assert result == Refused("403 subscribed with another VAPID key")


def test_fcm_is_refused_without_an_access_token(push):
    url = f"{push.fcm.server.url}/v1/projects/chat-tests/messages:send"
    assert ask(push, url, {"Authorization": "Bearer none"}).status == 401


def test_google_gives_no_token_for_a_strangers_signature(push):
    url = f"{push.fcm.server.url}/token"
    body = b"assertion=" + jwt.encode({"aud": url}, "a secret that is long enough for HS256", "HS256").encode()
    assert ask(push, url, {}, body).status == 400


def test_apns_is_refused_without_and_with_a_foreign_token(push):
    url = f"{push.apns.server.url}/3/device/{'0' * 64}"
    assert b"MissingProviderToken" in ask(push, url, {}, is_http2=True).body
    signed = jwt.encode({"iss": "x", "iat": 1}, "a secret that is long enough for HS256", "HS256")
    answer = ask(push, url, {"authorization": f"bearer {signed}"}, is_http2=True)
    assert (answer.status, b"InvalidProviderToken" in answer.body) == (403, True)


def test_apns_is_refused_for_another_app(push):
    settings = read_push(Env({**push.environ, "PUSH_APNS_TOPIC": "org.example.other"}))
    result = open_providers(settings)[DeviceKind.APNS].push(push.target(DeviceKind.APNS).device(), notice())
    assert result == Paused("400 BadTopic")
