"""Who may do what in a room: one table, read by everything that decides."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody is to one room.

    The first four are stored in the room's log. A visitor is a registered person who is not a member of a
    room that anyone may read; a passer-by is someone of the original protocol in a room open to guests;
    an outsider is everyone else.
    """

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    GUEST = "guest"
    PASSER_BY = "passer_by"
    VISITOR = "visitor"
    OUTSIDER = "outsider"


class Action(StrEnum):
    """What the table answers for."""

    READ = "read"
    SEND = "send"
    REACT = "react"
    PIN = "pin"
    EDIT_OWN = "edit_own"
    DELETE_OWN = "delete_own"
    DELETE_ANY = "delete_any"
    JOIN = "join"
    LEAVE = "leave"
    ADD_MEMBER = "add_member"
    INVITE_LINK = "invite_link"
    REMOVE_MEMBER = "remove_member"
    SET_ROLE = "set_role"
    SET_TOPIC = "set_topic"
    CONFIGURE = "configure"
    SET_RETENTION = "set_retention"
    SEE_MEMBERS = "see_members"


MEMBER_ROLES = frozenset({Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST})

_STAFF = frozenset({Role.OWNER, Role.ADMIN})
_PEOPLE = _STAFF | {Role.MEMBER}
_INSIDE = _PEOPLE | {Role.GUEST}
_TALKING = _INSIDE | {Role.PASSER_BY}

PERMISSIONS: dict[Action, frozenset[Role]] = {
    Action.READ: _TALKING | {Role.VISITOR},
    Action.SEND: _TALKING,
    Action.REACT: _INSIDE,
    Action.PIN: _PEOPLE,
    Action.EDIT_OWN: _INSIDE,
    Action.DELETE_OWN: _INSIDE,
    Action.DELETE_ANY: _STAFF,
    Action.JOIN: _INSIDE | {Role.VISITOR},
    Action.LEAVE: _INSIDE,
    Action.ADD_MEMBER: _PEOPLE,
    Action.INVITE_LINK: _STAFF,
    Action.REMOVE_MEMBER: _STAFF,
    Action.SET_ROLE: _STAFF,
    Action.SET_TOPIC: _PEOPLE,
    Action.CONFIGURE: _STAFF,
    Action.SET_RETENTION: frozenset({Role.OWNER}),
    Action.SEE_MEMBERS: _INSIDE | {Role.VISITOR},
}
"""For every action, the roles that may do it. Joining again is allowed to members: it changes nothing."""

_DIRECT_ACTIONS = frozenset(
    {
        Action.READ,
        Action.SEND,
        Action.REACT,
        Action.PIN,
        Action.EDIT_OWN,
        Action.DELETE_OWN,
        Action.SEE_MEMBERS,
    }
)
"""All that a direct-message room knows: its two people cannot be changed."""

_RANK = {Role.OWNER: 3, Role.ADMIN: 2, Role.MEMBER: 1, Role.GUEST: 0}


def allowed(role: Role, action: Action, *, direct: bool = False) -> bool:
    """Whether `role` may do `action`; `direct` for a direct-message room."""
    if direct and action not in _DIRECT_ACTIONS:
        return False
    return role in PERMISSIONS[action]


def outranks(actor: Role, subject: Role) -> bool:
    """Whether `actor` may change or remove somebody who is `subject`: owners anyone, others those below."""
    return actor is Role.OWNER or _RANK.get(actor, -1) > _RANK.get(subject, -1)


def may_grant(actor: Role, role: Role) -> bool:
    """Whether `actor` may give somebody `role`: owners any, others only what is below their own."""
    return role in _RANK and (actor is Role.OWNER or _RANK.get(actor, -1) > _RANK[role])
