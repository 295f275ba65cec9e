"""Who may change what in a room: a room and its members in, the members as they are then out; nothing is stored."""

from __future__ import annotations

from chat.errors import Forbidden, LastOwner, LimitReached, MemberNotFound, NotAMember
from chat.model.clock import now_ms, rfc3339
from chat.model.room import Member, Role, RoomType, Roster

MODERATORS = (Role.ADMIN, Role.OWNER)
Members = dict[str, Member]


def is_moderator(roster: Roster, user_id: str) -> bool:
    """Tell whether the user may take away what others wrote; nobody may in a direct room."""
    return roster.role_of(user_id) in MODERATORS


def require_member(roster: Roster, user_id: str) -> Role:
    """Return the user's role; raises NotAMember."""
    role = roster.role_of(user_id)
    if role is None:
        raise NotAMember(f"you are not a member of {roster.room.id}; ask someone in it to add you", field="roomId")
    return role


def require_moderator(roster: Roster, user_id: str, deed: str) -> Role:
    """Return the role of an admin or owner; raises NotAMember, Forbidden (also in a direct room)."""
    role = require_member(roster, user_id)
    if roster.room.type is RoomType.DIRECT:
        raise Forbidden(f"a direct room stays as it is, {deed} is not for it; make a group", field="roomId")
    if role not in MODERATORS:
        raise Forbidden(f"{deed} is for admins and owners; ask one of them", field="roomId")
    return role


def require_pinning(roster: Roster, user_id: str) -> None:
    """Return for who may pin: both people of a direct room, else admins and owners.

    Raises: NotAMember, Forbidden.
    """
    if require_member(roster, user_id) not in MODERATORS and roster.room.type is not RoomType.DIRECT:
        raise Forbidden("pinning is for admins and owners; ask one of them", field="roomId")


def require_owner(roster: Roster, user_id: str, deed: str) -> None:
    """Return for an owner; raises NotAMember, Forbidden (also in a direct room)."""
    if require_moderator(roster, user_id, deed) is not Role.OWNER:
        raise Forbidden(f"{deed} is for owners; ask one of them", field="roomId")


def joined(roster: Roster, user_id: str, limit: int) -> Members:
    """Return the members of a channel with one who comes by himself; the first of all is its owner.

    Raises: NotAMember where one comes by invitation only, LimitReached.
    """
    if user_id in roster.members:
        return roster.members
    if roster.room.type is not RoomType.CHANNEL:
        raise NotAMember(f"{roster.room.id} is by invitation; ask someone in it to add you", field="roomId")
    return _with_new(roster, user_id, Role.MEMBER if roster.members else Role.OWNER, limit)


def put(roster: Roster, actor_id: str, user_id: str, role: Role | None, limit: int) -> Members:
    """Return the members with a user in a role; without one a new user is a member, another keeps the role.

    Raises: NotAMember, Forbidden, LastOwner, LimitReached.
    """
    present = roster.role_of(user_id)
    is_joining = roster.room.type is RoomType.CHANNEL and present is None and actor_id == user_id
    if is_joining and role in (None, Role.MEMBER):
        return joined(roster, user_id, limit)
    is_no_change = actor_id == user_id and present is not None and role in (None, present)
    if is_no_change and roster.room.type is not RoomType.DIRECT:
        return roster.members
    acting = require_moderator(roster, actor_id, "changing members")
    wanted = role or present or Role.MEMBER
    if wanted is present:
        return roster.members
    if acting is not Role.OWNER and not _may_admin_set(actor_id == user_id, present, wanted):
        raise Forbidden("only an owner makes admins and owners or takes that away; ask one", field="role")
    if present is None:
        return _with_new(roster, user_id, wanted, limit)
    if present is Role.OWNER:
        _require_other_owner(roster, user_id)
    return {**roster.members, user_id: Member(wanted, roster.members[user_id].joined_at)}


def removed(roster: Roster, actor_id: str, user_id: str) -> Members:
    """Return the members without a user; oneself always, but for the last owner of a room with others in it.

    Raises: NotAMember, Forbidden, MemberNotFound, LastOwner.
    """
    acting = require_member(roster, actor_id)
    if actor_id != user_id or roster.room.type is RoomType.DIRECT:
        acting = require_moderator(roster, actor_id, "removing members")
    present = roster.role_of(user_id)
    if present is None:
        raise MemberNotFound(f"{user_id} is not a member of {roster.room.id}", field="userId")
    if acting is Role.ADMIN and actor_id != user_id and present in MODERATORS:
        raise Forbidden("only an owner removes admins and owners; ask one", field="userId")
    rest = {each: member for each, member in roster.members.items() if each != user_id}
    if present is Role.OWNER and rest:
        _require_other_owner(roster, user_id)
    return rest


def _may_admin_set(is_oneself: bool, present: Role | None, wanted: Role) -> bool:
    """Tell whether an admin may: add members, and step down."""
    return wanted is Role.MEMBER and (present is None or is_oneself)


def _with_new(roster: Roster, user_id: str, role: Role, limit: int) -> Members:
    if len(roster.members) >= limit:
        raise LimitReached(f"the room is full: {limit} members", field="roomId")
    return {**roster.members, user_id: Member(role, rfc3339(now_ms()))}


def _require_other_owner(roster: Roster, user_id: str) -> None:
    if not any(each.role is Role.OWNER for other, each in roster.members.items() if other != user_id):
        raise LastOwner(f"{user_id} is the last owner; make somebody else an owner first", field="userId")
