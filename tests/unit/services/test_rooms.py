from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from chat.errors import InvalidRequest, LimitReached, RoomExists, RoomNotFound, StoreUnavailable
from chat.model.room import MembersRecord, Role, RoomType, UserRoomsRecord, direct_room_id
from chat.services.roles import joined, put
from chat.services.rooms import Rooms
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.threads import AT_ONCE, at_once


class BreakingStore(SqliteStore):
    """A real store that goes away at a chosen write."""

    breaks_at: tuple[Kind, str] | None = None
    before_insert: Callable[[], None] | None = None

    def insert(self, kind: Kind, key: str, body: bytes) -> int:
        if self.breaks_at == (kind, key):
            self.breaks_at = None
            raise StoreUnavailable("insert")
        if kind is Kind.MEMBERS and self.before_insert is not None:
            overtake, self.before_insert = self.before_insert, None
            overtake()
        return super().insert(kind, key, body)


@pytest.fixture
def store(tmp_path):
    store = BreakingStore(tmp_path / "chat.db")
    yield store
    store.close()


@pytest.fixture
def rooms(store):
    return Rooms(store, member_limit=5)


def add(rooms, room_id, user_id, role=Role.MEMBER):
    """Add a user as an owner would."""

    def decide(roster):
        return put(roster, next(iter(roster.members)), user_id, role, rooms.member_limit)

    rooms.change_members(room_id, decide)


def come(rooms, room_id, user_id):
    """Let a user into an open channel."""
    rooms.claim_channel(room_id, user_id)
    rooms.change_members(room_id, lambda roster: joined(roster, user_id, rooms.member_limit))


def create(rooms, *user_ids, room_type=RoomType.GROUP, creator="ann", room_id="r", name=None):
    return rooms.create(room_type, creator, user_ids, room_id=room_id, name=name)


def roles(members):
    return {user_id: str(each.role) for user_id, each in members.items()}


def rooms_of(store, user_id):
    document = store.get(Kind.USER_ROOMS, user_id)
    return set(msgspec.json.decode(document.body, type=UserRoomsRecord).rooms) if document else set()


def test_a_group_has_its_creator_as_owner_when_it_is_made(rooms, store):
    room, members = create(rooms, "bob", "cy", name="Team")
    assert (room.id, room.type, room.name, room.created_by) == ("r", RoomType.GROUP, "Team", "ann")
    assert roles(members) == {"ann": "owner", "bob": "member", "cy": "member"}
    assert rooms.get("r") == room
    assert rooms.members("r") == members
    assert [rooms_of(store, each) for each in ("ann", "bob", "cy")] == [{"r"}] * 3


@pytest.mark.parametrize("named", [("ann",), ("ann", "bob"), ("bob", "bob"), ("bob", "ann", "bob", "ann")])
def test_everyone_is_a_member_once_when_names_repeat(rooms, named):
    _, members = create(rooms, *named)
    assert roles(members) == {"ann": "owner", **dict.fromkeys({*named} - {"ann"}, "member")}


def test_a_room_is_refused_when_its_id_is_taken(rooms):
    first = create(rooms, "bob")
    for creator in ("ann", "eve"):
        with pytest.raises(RoomExists) as caught:
            create(rooms, "cy", creator=creator)
        assert caught.value.field == "id"
    assert (rooms.get("r"), rooms.members("r")) == first


def test_a_direct_room_is_the_same_when_either_makes_it_again(rooms):
    first = create(rooms, "bob", room_type=RoomType.DIRECT, creator="ann")
    again = create(rooms, "ann", room_type=RoomType.DIRECT, creator="bob", room_id="other", name="no")
    assert again == first
    assert first[0].id == direct_room_id("bob", "ann")
    assert roles(first[1]) == {"ann": "member", "bob": "member"}


@pytest.mark.parametrize("others", [(), ("ann",), ("bob", "cy"), ("ann", "ann")])
def test_a_direct_room_is_refused_when_it_is_not_for_one_other_person(rooms, others):
    with pytest.raises(InvalidRequest) as caught:
        create(rooms, *others, room_type=RoomType.DIRECT)
    assert caught.value.field == "members"


def test_a_direct_room_is_made_when_the_other_person_is_named_twice(rooms):
    _, members = create(rooms, "bob", "bob", "ann", room_type=RoomType.DIRECT)
    assert set(members) == {"ann", "bob"}


@pytest.mark.parametrize("room_type", [RoomType.GROUP, RoomType.CHANNEL])
def test_nobody_can_sit_in_a_pairs_place_when_the_id_is_that_of_a_direct_room(rooms, room_type):
    place = direct_room_id("ann", "bob")
    with pytest.raises(InvalidRequest) as caught:
        create(rooms, room_type=room_type, creator="eve", room_id=place)
    assert caught.value.field == "id"
    with pytest.raises(RoomNotFound):
        rooms.claim_channel(place, "eve")
    _, members = create(rooms, "bob", room_type=RoomType.DIRECT)
    assert set(members) == {"ann", "bob"}


def test_a_room_is_refused_when_it_would_have_too_many_members(rooms):
    assert len(create(rooms, "b", "c", "d", "e", "e", "ann")[1]) == 5
    with pytest.raises(LimitReached) as caught:
        create(rooms, "b", "c", "d", "e", "f", room_id="big")
    assert caught.value.field == "members"
    with pytest.raises(RoomNotFound):
        rooms.get("big")


def test_nobody_more_is_added_when_a_room_is_full(rooms):
    create(rooms, "b", "c", "d", "e")
    with pytest.raises(LimitReached) as caught:
        add(rooms, "r", "f")
    assert caught.value.field == "roomId"
    add(rooms, "r", "e")
    assert len(rooms.members("r")) == 5


def test_a_member_stays_when_added_again(rooms):
    create(rooms, "bob")
    add(rooms, "r", "ann", Role.OWNER)
    add(rooms, "r", "bob", Role.MEMBER)
    add(rooms, "r", "cy", Role.ADMIN)
    assert roles(rooms.members("r")) == {"ann": "owner", "bob": "member", "cy": "admin"}


def test_there_is_no_room_when_nobody_made_it(rooms):
    for ask in (rooms.get, rooms.members, lambda room_id: add(rooms, room_id, "ann")):
        with pytest.raises(RoomNotFound) as caught:
            ask("nowhere")
        assert caught.value.field == "roomId"


@pytest.mark.parametrize("room_type", [RoomType.GROUP, RoomType.DIRECT])
def test_making_a_room_can_be_completed_when_it_broke_off_before_the_members(rooms, store, room_type):
    room_id = direct_room_id("ann", "bob") if room_type is RoomType.DIRECT else "r"
    store.breaks_at = (Kind.MEMBERS, room_id)
    with pytest.raises(StoreUnavailable):
        create(rooms, "bob", room_type=room_type)
    assert rooms.members(room_id) == {}  # nobody is in it yet
    room, members = create(rooms, "bob", room_type=room_type)
    assert (room.id, set(members)) == (room_id, {"ann", "bob"})
    assert rooms_of(store, "bob") == {room_id}


def test_the_other_person_completes_a_direct_room_when_the_first_attempt_broke_off(rooms, store):
    store.breaks_at = (Kind.MEMBERS, direct_room_id("ann", "bob"))
    with pytest.raises(StoreUnavailable):
        create(rooms, "bob", room_type=RoomType.DIRECT)
    _, members = create(rooms, "ann", room_type=RoomType.DIRECT, creator="bob")
    assert set(members) == {"ann", "bob"}


def test_a_stranger_cannot_complete_a_room_when_its_creators_attempt_broke_off(rooms, store):
    store.breaks_at = (Kind.MEMBERS, "r")
    with pytest.raises(StoreUnavailable):
        create(rooms, "bob")
    with pytest.raises(RoomExists):
        create(rooms, "eve", creator="eve")


def test_a_room_is_made_once_when_many_make_it_at_once(rooms):
    results = at_once(AT_ONCE, lambda n: create(rooms, creator=f"user{n}"))
    made = [each for each in results if isinstance(each, tuple)]
    assert len(made) == 1
    assert all(isinstance(each, RoomExists) for each in results if each not in made)
    assert rooms.members("r") == made[0][1]


def test_a_direct_room_is_one_when_both_make_it_at_once(rooms):
    pair = ("ann", "bob")
    results = at_once(
        AT_ONCE, lambda n: create(rooms, pair[n % 2], room_type=RoomType.DIRECT, creator=pair[1 - n % 2])
    )
    assert {each[0].id if isinstance(each, tuple) else each for each in results} == {direct_room_id(*pair)}
    assert set(rooms.members(direct_room_id(*pair))) == set(pair)


def test_nobody_is_lost_when_many_are_added_at_once(store):
    rooms = Rooms(store, member_limit=100)
    create(rooms)
    results = at_once(AT_ONCE, lambda n: add(rooms, "r", f"user{n}"))
    assert results == [None] * AT_ONCE
    assert set(rooms.members("r")) == {"ann", *(f"user{n}" for n in range(AT_ONCE))}


def test_nobody_is_lost_when_many_open_one_channel_at_once(store):
    rooms = Rooms(store, member_limit=100)
    results = at_once(AT_ONCE, lambda n: come(rooms, "lobby", f"user{n}"))
    assert results == [None] * AT_ONCE
    members = rooms.members("lobby")
    assert set(members) == {f"user{n}" for n in range(AT_ONCE)}
    assert list(roles(members).values()).count("owner") == 1
    assert all(rooms_of(store, user_id) == {"lobby"} for user_id in members)


def test_nobody_is_lost_when_another_makes_the_list_of_members_first(rooms, store):
    rooms.claim_channel("lobby", "guest-1")
    elsewhere = Rooms(store, member_limit=5)  # another server
    store.before_insert = lambda: come(elsewhere, "lobby", "bob")
    come(rooms, "lobby", "ann")
    assert set(rooms.members("lobby")) == {"ann", "bob"}


def test_a_guest_leaves_no_membership_when_it_opens_a_channel(rooms, store):
    rooms.claim_channel("lobby", "guest-1")
    assert rooms.get("lobby").type is RoomType.CHANNEL
    assert rooms.members("lobby") == {}
    assert rooms_of(store, "guest-1") == set()


def test_a_members_document_is_whole_when_it_is_read_back(rooms, store):
    create(rooms, "b.o-b_")
    document = store.get(Kind.MEMBERS, "r")
    assert msgspec.json.decode(document.body, type=MembersRecord).members == rooms.members("r")
