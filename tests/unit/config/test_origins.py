"""Origins are exact, and proxies are addresses or networks."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from config.env import SettingError
from config.origins import read_network, read_origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://chat.example.org", "https://chat.example.org"),
        ("HTTPS://Chat.Example.ORG", "https://chat.example.org"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://example.org:443", "https://example.org"),
        ("http://example.org:80", "http://example.org"),
        ("https://example.org:80", "https://example.org:80"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_read_as_browsers_send_it(text: str, origin: str):
    assert read_origin("ALLOWED_ORIGINS", text) == origin


@pytest.mark.parametrize("text", ["*", "null", "NULL"])
def test_an_origin_that_lets_all_in_is_refused(text: str):
    with pytest.raises(SettingError, match=r"^ALLOWED_ORIGINS lists .*, which would let every page in; list exact"):
        read_origin("ALLOWED_ORIGINS", text)


@pytest.mark.parametrize(
    "text",
    [
        "example.org",
        "https://",
        "https://example.org/",
        "https://*.example.org",
        "https://a b",
        "//x",
        "https://x:",
    ],
)
def test_an_origin_is_refused_when_it_is_none(text: str):
    with pytest.raises(SettingError, match=r"which is no scheme://host\[:port\]; list exact"):
        read_origin("ALLOWED_ORIGINS", text)


@pytest.mark.parametrize("port", ["0", "65536"])
def test_an_origin_is_refused_when_its_port_is_out_of_range(port: str):
    with pytest.raises(SettingError, match="whose port is out of range"):
        read_origin("ALLOWED_ORIGINS", f"https://example.org:{port}")


@pytest.mark.parametrize(
    ("text", "network"), [("10.0.0.7", "10.0.0.7/32"), ("10.1.2.3/8", "10.0.0.0/8"), ("::1", "::1/128")]
)
def test_a_proxy_is_an_address_or_a_network(text: str, network: str):
    assert read_network("TRUSTED_PROXIES", text) == ip_network(network)


@pytest.mark.parametrize("text", ["proxy.local", "10.0.0.0/40", "10.0.0"])
def test_a_proxy_is_refused_when_it_is_neither(text: str):
    with pytest.raises(SettingError, match=r"^TRUSTED_PROXIES lists .*, which is no IP address or network; list"):
        read_network("TRUSTED_PROXIES", text)
