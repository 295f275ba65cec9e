from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.errors import MessageNotFound, NotStoredYet, StoreUnavailable
from chat.model.amendments import MessageState, edited, reacted, state_of, with_reaction
from chat.model.ids import MessageRef
from chat.model.message import message_key
from chat.services import stored_messages
from chat.services.stored_messages import StoredMessages
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.drafts import draft
from tests.support.memory import MemoryBroker

ROOM = "room456"


class Shelf:
    """A room with messages, stored or still on their way."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.broker = store, MemoryBroker()
        self.broker.warm(ROOM, 0, [])
        self.naps = 0
        self.on_nap = lambda: None
        self.messages = StoredMessages(store, self.broker, self._nap)

    def send(self, temp_id: str) -> MessageRef:
        self.broker.accept(draft(temp_id))
        head = self.broker.heads[ROOM]
        return MessageRef(ROOM, head.seq, head.epoch)

    def save(self, ref: MessageRef, epoch: str = "") -> None:
        body = '{"id":"%s.%d.%s","seq":%d,"room_id":"%s","sender_id":"ann","content":"hi"}'
        text = body % (ROOM, ref.seq, epoch or ref.epoch, ref.seq, ROOM)
        self.store.insert(Kind.MESSAGE, message_key(ROOM, ref.seq), text.encode())
        self.broker.confirm(ROOM, ref.seq)

    def _nap(self, _seconds: float) -> None:
        self.naps += 1
        self.on_nap()


@pytest.fixture
def shelf(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield Shelf(store)
    store.close()


def test_message_is_found_when_it_is_stored(shelf: Shelf) -> None:
    ref = shelf.send("t1")
    shelf.save(ref)
    assert state_of(shelf.messages.find(ref).body).content == "hi"
    assert shelf.naps == 0


def test_it_waits_for_the_store_when_the_message_is_on_its_way(shelf: Shelf) -> None:
    ref = shelf.send("t1")
    shelf.on_nap = lambda: shelf.save(ref) if shelf.naps == 2 else None
    assert state_of(shelf.messages.find(ref).body).seq == ref.seq
    assert shelf.naps == 2


def test_it_says_not_yet_when_the_store_takes_too_long(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_messages, "STORED_WITHIN_S", 0.05)
    ref = shelf.send("t1")
    with pytest.raises(NotStoredYet) as raised:
        shelf.messages.find(ref)
    assert raised.value.temporary


@pytest.mark.parametrize("seq", [1, 2, 999])
def test_it_is_not_found_when_there_is_no_such_message(shelf: Shelf, seq: int) -> None:
    shelf.save(shelf.send("t1"), epoch="otherone")
    with pytest.raises(MessageNotFound) as raised:
        shelf.messages.find(MessageRef(ROOM, seq, shelf.broker.heads[ROOM].epoch))
    assert raised.value.field == "messageId"


def test_nothing_is_written_when_nothing_has_to_change(shelf: Shelf) -> None:
    ref = shelf.send("t1")
    shelf.save(ref)
    before = shelf.messages.find(ref)
    assert shelf.messages.amend(ref, lambda body, state: None) == (before.body, False)
    assert shelf.messages.find(ref) == before


def test_every_change_is_kept_when_many_amend_one_message_at_once(shelf: Shelf) -> None:
    ref = shelf.send("t1")
    shelf.save(ref)
    users = [f"user{i}" for i in range(40)]
    start = threading.Barrier(8)

    def react(user: str) -> None:
        def amendment(body: bytes, state: MessageState) -> bytes:
            return reacted(body, with_reaction(state.reactions, "👍", user))

        shelf.messages.amend(ref, amendment)

    def react_all(mine: list[str]) -> None:
        start.wait()
        for user in mine:
            react(user)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(react_all, [users[i::8] for i in range(8)]))
    state = state_of(shelf.messages.find(ref).body)
    assert sorted(state.reactions["👍"]) == sorted(users)
    assert state.revision == len(users)


def test_it_gives_up_with_a_clear_error_when_others_are_always_first(shelf: Shelf) -> None:
    ref = shelf.send("t1")
    shelf.save(ref)

    def too_late(body: bytes, _state: object) -> bytes:
        found = shelf.messages.find(ref)
        shelf.store.replace(Kind.MESSAGE, found.key, edited(found.body, "first", "now"), found.cas)
        return edited(body, "late", "now")

    with pytest.raises(StoreUnavailable):
        shelf.messages.amend(ref, too_late)
    assert state_of(shelf.messages.find(ref).body).content == "first"
