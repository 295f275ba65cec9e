"""A bounded memory of documents."""

from __future__ import annotations

from chat.store.base import Document, Kind
from chat.store.couchbase.recent import BODY_LIMIT_BYTES, Recent


def doc(key: str, body: bytes = b"{}", cas: int = 1) -> Document:
    return Document(Kind.ROOM, key, body, cas)


def test_the_oldest_goes_when_there_are_too_many() -> None:
    recent = Recent(limit=2)
    for key in ("a", "b", "a", "c"):
        recent.keep(doc(key))

    assert [key for key in "abc" if recent.get(Kind.ROOM, key)] == ["a", "c"]


def test_the_newest_state_is_kept_and_can_be_forgotten() -> None:
    recent = Recent()
    recent.keep(doc("a", cas=1))
    recent.keep(doc("a", cas=2))
    assert recent.get(Kind.ROOM, "a") == doc("a", cas=2)
    assert recent.get(Kind.MEMBERS, "a") is None

    recent.forget(Kind.ROOM, "a")
    recent.forget(Kind.ROOM, "a")
    assert recent.get(Kind.ROOM, "a") is None


def test_a_large_document_is_not_kept_and_neither_is_what_it_was_before() -> None:
    recent = Recent()
    recent.keep(doc("a"))
    recent.keep(doc("a", b"x" * (BODY_LIMIT_BYTES + 1)))
    assert recent.get(Kind.ROOM, "a") is None
