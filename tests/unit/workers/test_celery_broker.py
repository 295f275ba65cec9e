"""The forms of an address that Celery and redbeat take."""

from __future__ import annotations

import pytest

from workers.celery_broker import beat_settings, broker_settings

SENTINEL = "sentinel://:p%40ss@h1:26379,h2:26380/chat-master/3"


@pytest.mark.parametrize("url", ["redis://h:6379/1", "redis://:secret@h/0"])
def test_a_plain_address_stays_as_it_is(url: str) -> None:
    assert broker_settings(url) == {"broker_url": url}
    assert beat_settings(url)["redbeat_redis_url"] == url


def test_each_sentinel_gets_an_address_and_the_service_an_option() -> None:
    assert broker_settings(SENTINEL) == {
        "broker_url": "sentinel://:p%40ss@h1:26379/3;sentinel://:p%40ss@h2:26380/3",
        "broker_transport_options": {"master_name": "chat-master"},
    }


def test_beat_asks_the_same_sentinels() -> None:
    options = beat_settings(SENTINEL)["redbeat_redis_options"]

    assert options["sentinels"] == [["h1", 26379], ["h2", 26380]]
    assert (options["service_name"], options["password"], options["db"]) == ("chat-master", "p@ss", 3)


def test_a_socket_file_is_named_in_kombus_way() -> None:
    assert broker_settings("unix:///run/valkey.sock?db=2") == {
        "broker_url": "redis+socket:///run/valkey.sock?virtual_host=2"
    }


def test_a_tls_broker_has_its_certificate_checked() -> None:
    assert broker_settings("rediss://h:6380/0")["broker_use_ssl"] == {"ssl_cert_reqs": "required"}
