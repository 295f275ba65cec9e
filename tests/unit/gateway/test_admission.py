from ipaddress import ip_network

import pytest

from chat.errors import LimitReached
from chat.gateway.admission import Admission, client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_a_user_is_stopped_when_the_limit_is_reached_and_let_in_when_one_left():
    admission = Admission(per_user=2, per_address=0)
    admission.enter("ann", "1.1.1.1")
    admission.enter("ann", "1.1.1.2")
    admission.enter("bob", "1.1.1.1")
    with pytest.raises(LimitReached, match="2 connections a user"):
        admission.enter("ann", "1.1.1.3")
    admission.leave("ann", "1.1.1.1")
    admission.enter("ann", "1.1.1.3")


def test_an_address_is_stopped_when_the_limit_is_reached():
    admission = Admission(per_user=0, per_address=2)
    admission.enter("a", "1.1.1.1")
    admission.enter("b", "1.1.1.1")
    with pytest.raises(LimitReached, match="2 connections an address"):
        admission.enter("c", "1.1.1.1")
    assert not admission.users["c"]
    admission.enter("c", "1.1.1.2")


def test_loopback_is_not_limited_when_it_is_free():
    admission = Admission(per_user=0, per_address=1, is_loopback_free=True)
    for address in ("127.0.0.1", "127.0.0.1", "::1", "::1"):
        admission.enter("a", address)
    strict = Admission(per_user=0, per_address=1)
    strict.enter("a", "127.0.0.1")
    with pytest.raises(LimitReached):
        strict.enter("a", "127.0.0.1")


def test_addresses_of_one_ipv6_network_count_as_one():
    admission = Admission(per_user=0, per_address=1)
    admission.enter("a", "2001:db8::1")
    with pytest.raises(LimitReached):
        admission.enter("b", "2001:db8::2")
    admission.enter("c", "2001:db8:0:1::1")


def test_nothing_is_kept_when_all_have_left():
    admission = Admission(per_user=5, per_address=5)
    for number in range(4):
        admission.enter("a", f"1.1.1.{number}")
    for number in range(4):
        admission.leave("a", f"1.1.1.{number}")
    assert not admission.users
    assert not admission.addresses


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("9.9.9.9", "", "9.9.9.9"),
        ("9.9.9.9", "1.2.3.4", "9.9.9.9"),  # no proxy of ours: what it says is the client's own claim
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),  # the left one was written by the client
        ("10.0.0.1", "1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("", "1.2.3.4", ""),
    ],
)
def test_the_client_is_found_when_proxies_are_trusted(peer, forwarded, expected):
    assert client_address(peer, forwarded, TRUSTED) == expected
