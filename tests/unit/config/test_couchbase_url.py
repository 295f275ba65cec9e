"""A cluster's address says where and as whom; no fault and no printed form shows the login."""

from __future__ import annotations

import pytest

from config.couchbase_url import CouchbaseAddress, read_couchbase
from config.durability import StoreDurability


def test_all_of_an_address_is_read():
    address = read_couchbase(
        "couchbases://joe%40x:hu%2Fsh%3A@a.example:11207,[::1]:1/chat?scope=prod&certificate=/ca%20.pem"
    )

    assert address == CouchbaseAddress(
        ("a.example:11207", "[::1]:1"), "chat", "joe@x", "hu/sh:", "prod", is_tls=True, certificate="/ca .pem"
    )
    assert address.connection_string == "couchbases://a.example:11207,[::1]:1"
    assert address.place == "bucket chat scope prod at a.example:11207,[::1]:1"


def test_the_least_address_means_the_default_collection_without_tls():
    address = read_couchbase("couchbase://joe:hush@db/chat")

    assert address == CouchbaseAddress(("db",), "chat", "joe", "hush")
    assert address.connection_string == "couchbase://db"
    assert "hush" not in repr(address)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("couchbase2://joe:hush@db/chat", "starts with no scheme that is known"),
        ("couchbase://db/chat", "names no user and password"),
        ("couchbase://joe@db/chat", "names no user and password"),
        ("couchbase://:hush@db/chat", "names no user and password"),
        ("couchbase://joe:hush@/chat", "names no host"),
        ("couchbase://joe:hush@db:kv/chat", "names no host, or a port that is no number"),
        ("couchbase://joe:hush@db,/chat", "names no host"),
        ("couchbase://joe:hush@db:0/chat", "has a port that is out of range"),
        ("couchbase://joe:hush@db:65536/chat", "has a port that is out of range"),
        ("couchbase://joe:hush@db", "names no bucket"),
        ("couchbase://joe:hush@db/", "names no bucket"),
        ("couchbase://joe:hush@db/a/b", "has a bucket of a name that no bucket has"),
        ("couchbase://joe:hush@db/chat?scope=", "has no single value for scope"),
        ("couchbase://joe:hush@db/chat?scope=_x", "has a scope of a name that no scope has"),
        ("couchbase://joe:hush@db/chat?scope=a&scope=b", "has no single value for scope"),
        ("couchbase://joe:hush@db/chat?password=hush", "has an option that is not known"),
        ("couchbase://joe:hush@db/chat?certificate=ca.pem", "has a certificate, but no TLS"),
        ("couchbase://joe:hu#sh@db/chat", "has a '#' in it"),
    ],
)
def test_an_address_is_refused_without_showing_a_part_of_it(url: str, fault: str):
    with pytest.raises(ValueError, match=r"^(has|names|starts) ") as caught:
        read_couchbase(url)
    assert str(caught.value).startswith(fault)
    assert "hu" not in str(caught.value)


def test_the_choices_of_durability_are_words():
    assert [str(each) for each in StoreDurability] == ["auto", "majority", "persist", "none"]
