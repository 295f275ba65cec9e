"""Who may change what: every acting role with every target, and the same for any run of changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import Forbidden, LastOwner, LimitReached, MemberNotFound, NotAMember, RequestError
from chat.model.room import Member, MembersRecord, Role, RoomRecord, RoomType, Roster
from chat.services import roles

LIMIT = 8
OWN, A, M = Role.OWNER, Role.ADMIN, Role.MEMBER
EVERYBODY = {"owner": OWN, "other-owner": OWN, "admin": A, "other-admin": A, "member": M, "other-member": M}


def roster(members: dict[str, Role] = EVERYBODY, kind: RoomType = RoomType.GROUP) -> Roster:
    record = MembersRecord({each: Member(role, "then") for each, role in members.items()})
    return Roster(RoomRecord("r", kind, None, "then", "owner"), record)


def roles_in(members: dict[str, Member]) -> dict[str, Role]:
    return {each: member.role for each, member in members.items()}


# who, target, wanted role, outcome
PUTS = [
    ("owner", "new", None, M),
    ("owner", "new", A, A),
    ("owner", "new", OWN, OWN),
    ("owner", "member", A, A),
    ("owner", "member", OWN, OWN),
    ("owner", "admin", M, M),
    ("owner", "other-owner", M, M),
    ("owner", "owner", M, M),  # there is another owner
    ("owner", "admin", None, A),
    ("admin", "new", None, M),
    ("admin", "new", M, M),
    ("admin", "new", A, Forbidden),
    ("admin", "new", OWN, Forbidden),
    ("admin", "member", A, Forbidden),
    ("admin", "member", None, M),
    ("admin", "other-admin", M, Forbidden),
    ("admin", "owner", M, Forbidden),
    ("admin", "admin", M, M),  # steps down
    ("admin", "admin", OWN, Forbidden),
    ("member", "new", None, Forbidden),
    ("member", "other-member", None, Forbidden),
    ("member", "member", A, Forbidden),
    ("member", "member", None, M),  # no change
    ("stranger", "stranger", None, NotAMember),
    ("stranger", "member", None, NotAMember),
]


@pytest.mark.parametrize(("actor", "user", "wanted", "outcome"), PUTS)
@pytest.mark.parametrize("kind", [RoomType.GROUP, RoomType.CHANNEL])
def test_a_member_is_put_by_those_who_may_when_asked(kind, actor, user, wanted, outcome):
    before = roster(kind=kind)
    if kind is RoomType.CHANNEL and actor == user == "stranger":
        outcome = M
    if isinstance(outcome, Role):
        after = roles.put(before, actor, user, wanted, LIMIT)
        assert roles_in(after) == {**EVERYBODY, user: outcome}
        return
    with pytest.raises(outcome):
        roles.put(before, actor, user, wanted, LIMIT)


REMOVALS = [
    *(("owner", each, None) for each in EVERYBODY),
    ("owner", "stranger", MemberNotFound),
    ("admin", "member", None),
    ("admin", "admin", None),
    ("admin", "other-admin", Forbidden),
    ("admin", "owner", Forbidden),
    ("member", "member", None),
    ("member", "other-member", Forbidden),
    ("member", "admin", Forbidden),
    ("stranger", "member", NotAMember),
    ("stranger", "stranger", NotAMember),
]


@pytest.mark.parametrize(("actor", "user", "fault"), REMOVALS)
def test_a_member_is_removed_by_those_who_may_when_asked(actor, user, fault):
    if fault is None:
        after = roles.removed(roster(), actor, user)
        assert roles_in(after) == {each: role for each, role in EVERYBODY.items() if each != user}
        return
    with pytest.raises(fault):
        roles.removed(roster(), actor, user)


@pytest.mark.parametrize("deed", [
    lambda before: roles.put(before, "ann", "cy", None, LIMIT),
    lambda before: roles.put(before, "ann", "ann", None, LIMIT),
    lambda before: roles.put(before, "ann", "bob", OWN, LIMIT),
    lambda before: roles.removed(before, "ann", "bob"),
    lambda before: roles.removed(before, "ann", "ann"),
    lambda before: roles.require_moderator(before, "ann", "renaming"),
    lambda before: roles.require_owner(before, "ann", "deleting"),
])  # fmt: skip
def test_nothing_is_done_when_the_room_is_direct(deed):
    with pytest.raises(Forbidden):
        deed(roster({"ann": M, "bob": M}, RoomType.DIRECT))


@pytest.mark.parametrize(("actor", "is_moderator", "is_owner"), [
    ("owner", True, True), ("admin", True, False), ("member", False, False),
])  # fmt: skip
def test_renaming_is_for_moderators_and_deleting_for_owners_when_asked(actor, is_moderator, is_owner):
    for require, may in ((roles.require_moderator, is_moderator), (roles.require_owner, is_owner)):
        if may:
            require(roster(), actor, "it")
        else:
            with pytest.raises(Forbidden):
                require(roster(), actor, "it")
    with pytest.raises(NotAMember):
        roles.require_owner(roster(), "stranger", "it")


def test_the_last_owner_stays_when_others_are_in_the_room():
    before = roster({"ann": OWN, "bob": A})
    with pytest.raises(LastOwner):
        roles.removed(before, "ann", "ann")
    with pytest.raises(LastOwner):
        roles.put(before, "ann", "ann", M, LIMIT)
    assert roles.removed(roster({"ann": OWN}), "ann", "ann") == {}


def test_the_first_one_is_the_owner_when_a_channel_is_empty():
    empty = roster({}, RoomType.CHANNEL)
    assert roles_in(roles.joined(empty, "ann", LIMIT)) == {"ann": OWN}
    assert roles_in(roles.joined(roster({"ann": OWN}, RoomType.CHANNEL), "bob", LIMIT)) == {"ann": OWN, "bob": M}
    with pytest.raises(NotAMember):
        roles.joined(roster({"ann": OWN}), "bob", LIMIT)


def test_nobody_more_comes_when_the_room_is_full():
    full = roster({**EVERYBODY, "g": M, "h": M}, RoomType.CHANNEL)
    for deed in (roles.joined, lambda before, user, limit: roles.put(before, "owner", user, None, limit)):
        with pytest.raises(LimitReached):
            deed(full, "new", LIMIT)
        assert deed(full, "member", LIMIT) == full.members


USERS = st.sampled_from(["a", "b", "c", "d"])
DEEDS = st.lists(st.tuples(USERS, USERS, st.sampled_from([None, OWN, A, M, "remove"])), max_size=30)


@given(DEEDS)
def test_a_group_with_members_has_an_owner_and_no_role_is_taken_without_right_when_people_do_what_they_may(deeds):
    members = {"a": OWN}
    for actor, user, deed in deeds:
        before = roster(members)
        try:
            after = (
                roles.removed(before, actor, user)
                if deed == "remove"
                else roles.put(before, actor, user, deed, LIMIT)
            )
        except RequestError:
            continue
        changed = {each for each in after.keys() | members if roles_in(after).get(each) != members.get(each)}
        assert changed <= {user}
        assert actor in members
        if changed and actor != user:
            assert members[actor] in (A, OWN)
        assert roles_in(after).get(user) is not OWN or members.get(user) is OWN or members[actor] is OWN
        members = roles_in(after)
        if not members:
            break
        assert OWN in members.values()
