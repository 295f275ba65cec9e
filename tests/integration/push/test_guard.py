"""No push leads into the house: what a subscription, a name or a redirect would have us ask is not asked."""

from dataclasses import replace

import pytest

from chat.model.device import DeviceKind
from chat.push.base import Later, Paused, Refused
from chat.push.endpoints import Endpoint
from chat.push.guard import AddressRefused
from chat.push.transport import Transport, Unreachable, tls_context
from chat.push.vapid import Vapid
from chat.push.webpush import WebPush
from tests.support.push.notices import notice
from tests.support.push.script import redirect
from tests.support.push.servers import PushServers

NAME = "push.example"
HOUSE = ["127.0.0.1", "169.254.169.254", "10.0.0.7", "192.168.1.1", "::1", "::ffff:127.0.0.1", "fe80::1"]


class Names:
    """A resolver that says what the test wants, and something else the next time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def internal(tmp_path):
    """A server that nobody outside may ask."""
    with PushServers(tmp_path / "internal") as servers:
        yield servers.webpush


def provider(push, names, trusted=()) -> WebPush:
    transport = Transport(tls_context(push.ca_file), trusted, resolve=names)
    vapid = Vapid(push.environ["PUSH_VAPID_KEY"], "mailto:a@b.c")
    return WebPush(transport, vapid, [NAME, "127.0.0.1"], trusted)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", DeviceKind)
def test_a_redirect_is_never_followed(push, providers, internal, kind, status):
    push[kind].answer_all(redirect(f"{internal.server.url}/admin", status))
    result = providers[kind].push(push.target(kind).device(), notice())
    assert isinstance(result, Refused | Paused)
    assert (internal.server.accepted, internal.seen) == (0, [])


@pytest.mark.parametrize("address", HOUSE)
def test_a_name_that_leads_into_the_house_is_refused(push, address):
    device = replace(push.target(DeviceKind.WEBPUSH).device(), address=f"https://{NAME}/push/1")
    accepted = push.webpush.server.accepted
    assert provider(push, Names([address])).push(device, notice()) == Refused("address is not public")
    assert push.webpush.server.accepted == accepted


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(push, monkeypatch):
    """A name that answers differently the second time is asked once only."""
    connected = []

    def refuse(place, *_, **__):
        connected.append(place)
        raise OSError("not here")

    monkeypatch.setattr("socket.create_connection", refuse)
    names = Names(["1.1.1.1"], ["127.0.0.1"])
    device = replace(push.target(DeviceKind.WEBPUSH).device(), address=f"https://{NAME}/push/1")
    assert provider(push, names).push(device, notice()) == Later("connect")
    assert (names.asked, connected) == ([NAME], [("1.1.1.1", 443)])


def test_a_name_is_checked_anew_for_each_connection(push):
    """One that was public and leads into the house now is refused now."""
    push.webpush.answer_all(None)
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    transport = Transport(tls_context(push.ca_file), (), resolve=names)
    for _ in range(2):
        with pytest.raises(AddressRefused):
            transport.post(Endpoint(NAME, 443, "/"), {}, b"", transport.limits.deadline())
    assert names.asked == [NAME, NAME]


def test_only_the_public_ones_of_several_addresses_are_connected_to(push, monkeypatch):
    connected = []

    def refuse(place, *_, **__):
        connected.append(place[0])
        raise OSError("not here")

    monkeypatch.setattr("socket.create_connection", refuse)
    names = Names(["127.0.0.1", "1.1.1.1", "10.0.0.1", "1.0.0.1"])
    device = replace(push.target(DeviceKind.WEBPUSH).device(), address=f"https://{NAME}/push/1")
    assert provider(push, names).push(device, notice()) == Later("connect")
    assert connected == ["1.1.1.1", "1.0.0.1"]


def test_an_address_of_the_house_is_refused_when_nobody_trusts_it(push, untrusting):
    for kind in (DeviceKind.FCM, DeviceKind.APNS):
        result = untrusting[kind].push(push.target(kind).device(), notice())
        assert result == Paused("127.0.0.1 has no public address")
    result = untrusting[DeviceKind.WEBPUSH].push(push.target(DeviceKind.WEBPUSH).device(), notice())
    assert isinstance(result, Refused)
    assert [server.accepted for server in push.servers] == [0, 0, 0] or push.webpush.seen == []


@pytest.mark.parametrize("url", ["https://10.0.0.7/push", "https://evil.example/push", "http://127.0.0.1/push"])
def test_an_endpoint_that_is_not_listed_is_not_even_looked_up(push, url):
    names = Names(["1.1.1.1"])
    device = replace(push.target(DeviceKind.WEBPUSH).device(), address=url)
    assert isinstance(provider(push, names).push(device, notice()), Refused)
    assert names.asked == []


def test_a_certificate_of_an_unknown_authority_is_refused(push):
    transport = Transport(tls_context(None), ["127.0.0.1"])
    to = Endpoint("127.0.0.1", push.webpush.server.port, "/")
    with pytest.raises(Unreachable) as fault:
        transport.post(to, {}, b"", transport.limits.deadline())
    assert fault.value.reason == "tls"


def test_a_certificate_of_another_name_is_refused(push):
    names = Names(["127.0.0.1"])
    transport = Transport(tls_context(push.ca_file), ["other.example"], resolve=names)
    to = Endpoint("other.example", push.webpush.server.port, "/")
    with pytest.raises(Unreachable) as fault:
        transport.post(to, {}, b"", transport.limits.deadline())
    assert fault.value.reason == "tls"
    assert push.webpush.seen == []
