"""Who may do what: the whole table by hand, cell by cell, and the rules that go beyond it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from chat_service.model import ids
from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError, Code
from chat_service.model.permissions import MEMBER_ROLES, Action, Role, allowed, may_grant, outranks
from chat_service.model.rooms import RoomState
from chat_service.model.writes import Write, judge
from rooms.entries import ALICE, BOB, CAROL, DAVE, created, entry, guest, joined, say, write

COLUMNS = (Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST, Role.PASSER_BY, Role.VISITOR, Role.OUTSIDER)

# Columns: owner, admin, member, guest of a channel; passer-by, visitor, outsider.
CHANNEL = {
    Action.READ: "yes yes yes yes yes yes -",
    Action.SEND: "yes yes yes yes yes - -",
    Action.REACT: "yes yes yes yes - - -",
    Action.PIN: "yes yes yes - - - -",
    Action.EDIT_OWN: "yes yes yes yes - - -",
    Action.DELETE_OWN: "yes yes yes yes - - -",
    Action.DELETE_ANY: "yes yes - - - - -",
    Action.JOIN: "yes yes yes yes - yes -",
    Action.LEAVE: "yes yes yes yes - - -",
    Action.ADD_MEMBER: "yes yes yes - - - -",
    Action.INVITE_LINK: "yes yes - - - - -",
    Action.REMOVE_MEMBER: "yes yes - - - - -",
    Action.SET_ROLE: "yes yes - - - - -",
    Action.SET_TOPIC: "yes yes yes - - - -",
    Action.CONFIGURE: "yes yes - - - - -",
    Action.SET_RETENTION: "yes - - - - - -",
    Action.SEE_MEMBERS: "yes yes yes yes - yes -",
}
DIRECT = {
    Action.READ: "yes yes yes yes yes yes -",
    Action.SEND: "yes yes yes yes yes - -",
    Action.REACT: "yes yes yes yes - - -",
    Action.PIN: "yes yes yes - - - -",
    Action.EDIT_OWN: "yes yes yes yes - - -",
    Action.DELETE_OWN: "yes yes yes yes - - -",
    Action.DELETE_ANY: "- - - - - - -",
    Action.JOIN: "- - - - - - -",
    Action.LEAVE: "- - - - - - -",
    Action.ADD_MEMBER: "- - - - - - -",
    Action.INVITE_LINK: "- - - - - - -",
    Action.REMOVE_MEMBER: "- - - - - - -",
    Action.SET_ROLE: "- - - - - - -",
    Action.SET_TOPIC: "- - - - - - -",
    Action.CONFIGURE: "- - - - - - -",
    Action.SET_RETENTION: "- - - - - - -",
    Action.SEE_MEMBERS: "yes yes yes yes - yes -",
}
# Rows: who acts. Columns: owner, admin, member, guest, and somebody who is none of these.
OUTRANKS = {
    Role.OWNER: "yes yes yes yes yes",
    Role.ADMIN: "- - yes yes yes",
    Role.MEMBER: "- - - yes yes",
    Role.GUEST: "- - - - yes",
    Role.VISITOR: "- - - - -",
}
MAY_GRANT = {
    Role.OWNER: "yes yes yes yes -",
    Role.ADMIN: "- - yes yes -",
    Role.MEMBER: "- - - yes -",
    Role.GUEST: "- - - - -",
    Role.VISITOR: "- - - - -",
}
RANKED = (Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST, Role.VISITOR)
ADMIN, OWNER2, GUEST = BOB, DAVE, guest("gus")


def cells(table: dict[Any, str], columns: tuple[Role, ...]) -> list[Any]:
    assert all(len(row.split()) == len(columns) for row in table.values())
    return [
        pytest.param(row, column, cell == "yes", id=f"{row}-{column}")
        for row, text in table.items()
        for column, cell in zip(columns, text.split(), strict=True)
    ]


def test_the_tables_here_are_whole() -> None:
    assert set(CHANNEL) == set(DIRECT) == set(Action)
    assert set(COLUMNS) == set(Role)
    assert {Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST} == MEMBER_ROLES


@pytest.mark.parametrize(("action", "role", "expected"), cells(CHANNEL, COLUMNS))
def test_in_a_channel(action: Action, role: Role, *, expected: bool) -> None:
    assert allowed(role, action) is expected


@pytest.mark.parametrize(("action", "role", "expected"), cells(DIRECT, COLUMNS))
def test_in_a_direct_room(action: Action, role: Role, *, expected: bool) -> None:
    assert allowed(role, action, direct=True) is expected


@pytest.mark.parametrize(("actor", "subject", "expected"), cells(OUTRANKS, RANKED))
def test_who_may_change_whom(actor: Role, subject: Role, *, expected: bool) -> None:
    assert outranks(actor, subject) is expected


@pytest.mark.parametrize(("actor", "role", "expected"), cells(MAY_GRANT, RANKED))
def test_who_may_make_somebody_what(actor: Role, role: Role, *, expected: bool) -> None:
    assert may_grant(actor, role) is expected


# What somebody is to a room


def room(*more: Entry, **settings: Any) -> RoomState:
    """Alice's channel; Bob is admin, Carol member, Gus a guest."""
    settings = {"guests": True} | settings
    state = RoomState(created().room)
    begin = (created(**settings), joined(2, ADMIN, "admin"), joined(3, CAROL), joined(4, GUEST, "guest"))
    for one in (*begin, *more):
        state.apply(one)
    return state


@pytest.mark.parametrize(
    ("user", "visibility", "role"),
    [
        (ALICE, "private", Role.OWNER),
        (ADMIN, "private", Role.ADMIN),
        (CAROL, "public", Role.MEMBER),
        (GUEST, "private", Role.GUEST),
        (DAVE, "private", Role.OUTSIDER),
        (DAVE, "public", Role.VISITOR),
        (guest("new"), "public", Role.OUTSIDER),
        (ids.legacy_user_id("x"), "public", Role.OUTSIDER),
    ],
)
def test_a_role_follows_from_membership_and_visibility(user: str, visibility: str, role: Role) -> None:
    assert room(visibility=visibility).role_of(user) is role


def test_people_of_the_original_protocol_pass_by_only_where_a_room_is_open_to_them() -> None:
    def opened(*, guests: bool) -> RoomState:
        state = RoomState("o" + "a" * 21)
        body = {"kind": "open", "name": "x", "visibility": "public", "guests": guests}
        state.apply(entry(1, Kind.CREATE, body, room=state.room, sender=ids.SYSTEM_SENDER))
        return state

    passer_by = ids.legacy_user_id("x")
    assert opened(guests=True).role_of(passer_by) is Role.PASSER_BY
    assert opened(guests=False).role_of(passer_by) is Role.OUTSIDER
    assert opened(guests=True).members == {}


# What may be appended

FIRST, SECRET = entry(5, sender=CAROL), entry(6, sender=CAROL).masked()
OK = None


def outcome(state: RoomState, asked: Write, referred: Entry | None = None) -> Code | None:
    try:
        judge(state, asked, referred)
    except ChatError as refusal:
        return refusal.code
    return None


def talking(**settings: Any) -> RoomState:
    return room(entry(5, sender=CAROL), entry(6, sender=CAROL), **settings)


@pytest.mark.parametrize(
    ("sender", "kind", "target", "referred", "expected"),
    [
        (CAROL, Kind.MESSAGE, None, None, OK),
        (GUEST, Kind.MESSAGE, None, None, OK),
        (DAVE, Kind.MESSAGE, None, None, Code.NOT_FOUND),
        (CAROL, Kind.EDIT, 5, FIRST, OK),
        (ALICE, Kind.EDIT, 5, FIRST, Code.FORBIDDEN),
        (CAROL, Kind.EDIT, 6, SECRET, Code.NOT_FOUND),
        (CAROL, Kind.EDIT, 3, joined(3, CAROL), Code.NOT_FOUND),
        (CAROL, Kind.EDIT, 7, None, Code.NOT_FOUND),
        (CAROL, Kind.EDIT, 7, entry(7, sender=CAROL), Code.NOT_FOUND),
        (CAROL, Kind.DELETE, 5, FIRST, OK),
        (ALICE, Kind.DELETE, 5, FIRST, OK),
        (ADMIN, Kind.DELETE, 5, FIRST, OK),
        (GUEST, Kind.DELETE, 5, FIRST, Code.FORBIDDEN),
        (CAROL, Kind.DELETE, 6, SECRET, OK),
        (CAROL, Kind.DELETE, 7, None, Code.NOT_FOUND),
        (GUEST, Kind.REACTION, 5, FIRST, OK),
        (GUEST, Kind.REACTION, 6, SECRET, Code.NOT_FOUND),
        (DAVE, Kind.REACTION, 5, FIRST, Code.NOT_FOUND),
        (CAROL, Kind.RETAIN, None, None, Code.FORBIDDEN),
        (ALICE, Kind.ERASE, None, None, Code.FORBIDDEN),
        (ids.SYSTEM_SENDER, Kind.RETAIN, None, None, OK),
        (ids.SYSTEM_SENDER, Kind.ERASE, None, None, OK),
        (ALICE, Kind.CREATE, None, None, Code.CONFLICT),
    ],
)
def test_what_is_said_and_taken_back(
    sender: str, kind: Kind, target: int | None, referred: Entry | None, expected: Code | None
) -> None:
    assert outcome(talking(), write(kind, sender, "k", {}, target), referred) == expected


def test_a_visitor_of_a_public_room_reads_and_does_not_write() -> None:
    public = talking(visibility="public")
    assert outcome(public, say(DAVE, "k")) == Code.FORBIDDEN
    assert outcome(public, write(Kind.REACTION, DAVE, "k", {}, 5), FIRST) == Code.FORBIDDEN
    assert outcome(public, write(Kind.TOPIC, DAVE, "k", {"topic": ""})) == Code.FORBIDDEN


def test_a_reply_is_to_a_message_that_is_there_and_may_be_read() -> None:
    reply = say(CAROL, "k", reply_to=5)
    assert outcome(talking(), reply, FIRST) is OK
    assert outcome(talking(), reply, None) == Code.NOT_FOUND
    assert outcome(talking(), reply, SECRET) == Code.NOT_FOUND
    late = room(entry(5, sender=CAROL), joined(6, DAVE), history="joined")
    assert outcome(late, say(DAVE, "k", reply_to=5), FIRST) == Code.NOT_FOUND
    assert outcome(late, reply, FIRST) is OK


def test_before_a_room_is_made_there_is_none_to_write_to() -> None:
    nothing = RoomState(created().room)
    assert outcome(nothing, say(ALICE, "k")) == Code.NOT_FOUND
    assert outcome(nothing, write(Kind.RETAIN, ids.SYSTEM_SENDER, "k")) == Code.NOT_FOUND
    assert outcome(nothing, write(Kind.CREATE, ALICE, "k")) is OK


@pytest.mark.parametrize(
    ("sender", "user", "role", "visibility", "expected"),
    [
        (DAVE, DAVE, "member", "public", OK),
        (DAVE, DAVE, "admin", "public", Code.FORBIDDEN),
        (DAVE, DAVE, "member", "private", Code.NOT_FOUND),
        (CAROL, CAROL, "owner", "private", OK),  # joining again changes nothing, the role included
        (CAROL, DAVE, "member", "private", OK),
        (CAROL, DAVE, "guest", "private", OK),
        (CAROL, DAVE, "admin", "private", Code.FORBIDDEN),
        (ADMIN, DAVE, "admin", "private", Code.FORBIDDEN),
        (ALICE, DAVE, "admin", "private", OK),
        (ALICE, DAVE, "owner", "private", OK),
        (GUEST, DAVE, "member", "private", Code.FORBIDDEN),
        (ALICE, guest("new"), "guest", "private", OK),
        (ALICE, guest("new"), "member", "private", Code.FORBIDDEN),
        (guest("new"), guest("new"), "member", "public", Code.NOT_FOUND),
    ],
)
def test_who_lets_whom_in(sender: str, user: str, role: str, visibility: str, expected: Code | None) -> None:
    asked = write(Kind.JOIN, sender, "k", {"user": user, "role": role})
    assert outcome(talking(visibility=visibility), asked) == expected


def test_guests_are_let_in_only_where_the_room_is_open_to_them() -> None:
    closed = room(entry(5, Kind.SETTINGS, {"guests": False}))
    asked = write(Kind.JOIN, ALICE, "k", {"user": guest("new"), "role": "guest"})
    assert outcome(closed, asked) == Code.FORBIDDEN


@pytest.mark.parametrize(
    ("sender", "user", "expected"),
    [
        (CAROL, CAROL, OK),
        (GUEST, GUEST, OK),
        (ALICE, ALICE, Code.CONFLICT),  # the only owner
        (ALICE, ADMIN, OK),
        (ADMIN, CAROL, OK),
        (ADMIN, ALICE, Code.FORBIDDEN),
        (CAROL, GUEST, Code.FORBIDDEN),
        (ALICE, DAVE, Code.NOT_FOUND),
        (DAVE, DAVE, Code.NOT_FOUND),
    ],
)
def test_who_leaves_and_who_is_removed(sender: str, user: str, expected: Code | None) -> None:
    assert outcome(room(), write(Kind.LEAVE, sender, "k", {"user": user})) == expected


def test_an_admin_does_not_remove_an_admin_and_an_owner_may_leave_another_behind() -> None:
    two = room(joined(5, OWNER2, "owner"), joined(6, guest("adm"), "admin"))
    assert outcome(two, write(Kind.LEAVE, ADMIN, "k", {"user": guest("adm")})) == Code.FORBIDDEN
    assert outcome(two, write(Kind.LEAVE, ALICE, "k", {"user": ALICE})) is OK
    assert outcome(two, write(Kind.LEAVE, ALICE, "k", {"user": OWNER2})) is OK


def test_the_last_person_may_leave_a_room() -> None:
    alone = RoomState(created().room)
    alone.apply(created())
    assert outcome(alone, write(Kind.LEAVE, ALICE, "k", {"user": ALICE})) is OK


@pytest.mark.parametrize(
    ("sender", "user", "role", "expected"),
    [
        (ALICE, CAROL, "owner", OK),
        (ALICE, CAROL, "admin", OK),
        (ALICE, ADMIN, "guest", OK),
        (ALICE, ALICE, "member", Code.CONFLICT),  # the only owner
        (ALICE, ALICE, "owner", OK),
        (ADMIN, CAROL, "guest", OK),
        (ADMIN, CAROL, "admin", Code.FORBIDDEN),
        (ADMIN, ALICE, "member", Code.FORBIDDEN),
        (ADMIN, ADMIN, "member", OK),
        (ADMIN, ADMIN, "owner", Code.FORBIDDEN),
        (CAROL, GUEST, "member", Code.FORBIDDEN),
        (ALICE, GUEST, "member", Code.FORBIDDEN),
        (ALICE, DAVE, "member", Code.NOT_FOUND),
    ],
)
def test_who_gives_whom_which_role(sender: str, user: str, role: str, expected: Code | None) -> None:
    assert outcome(room(), write(Kind.ROLE, sender, "k", {"user": user, "role": role})) == expected


def test_somebody_alone_in_a_room_stays_its_owner() -> None:
    """The only member gave up being its owner, and nobody could ever invite, configure or delete there again."""
    alone = RoomState(created().room)
    alone.apply(created())
    for role in ("admin", "member", "guest"):
        assert outcome(alone, write(Kind.ROLE, ALICE, "k", {"user": ALICE, "role": role})) == Code.CONFLICT


@pytest.mark.parametrize(
    ("kind", "member", "admin"),
    [(Kind.TOPIC, OK, OK), (Kind.NAME, Code.FORBIDDEN, OK), (Kind.SETTINGS, Code.FORBIDDEN, OK)],
)
def test_topics_are_for_members_names_and_settings_for_admins(
    kind: Kind, member: Code | None, admin: Code | None
) -> None:
    assert outcome(room(), write(kind, CAROL, "k")) == member
    assert outcome(room(), write(kind, ADMIN, "k")) == admin
    assert outcome(room(), write(kind, GUEST, "k")) == Code.FORBIDDEN


@pytest.mark.parametrize(
    ("kind", "sender", "expected"),
    [
        (kind, sender, Code.FORBIDDEN)
        for kind, sender in product(
            (Kind.JOIN, Kind.LEAVE, Kind.ROLE, Kind.TOPIC, Kind.NAME, Kind.SETTINGS), (ALICE, BOB)
        )
    ]
    + [(Kind.MESSAGE, ALICE, OK), (Kind.MESSAGE, BOB, OK), (Kind.MESSAGE, CAROL, Code.NOT_FOUND)],
)
def test_a_direct_room_is_for_talking_and_nothing_else(kind: Kind, sender: str, expected: Code | None) -> None:
    direct = RoomState("d" + "a" * 21)
    body = {"kind": "direct", "members": [ALICE, BOB]}
    direct.apply(entry(1, Kind.CREATE, body, room=direct.room))
    assert outcome(direct, write(kind, sender, "k", {"user": BOB, "role": "member"})) == expected


def test_in_a_direct_room_only_its_author_deletes_a_message() -> None:
    direct = RoomState("d" + "a" * 21)
    direct.apply(entry(1, Kind.CREATE, {"kind": "direct", "members": [ALICE, BOB]}, room=direct.room))
    direct.apply(entry(2, room=direct.room, sender=BOB))
    message = entry(2, room=direct.room, sender=BOB)
    assert outcome(direct, write(Kind.DELETE, BOB, "k", {}, 2), message) is OK
    assert outcome(direct, write(Kind.DELETE, ALICE, "k", {}, 2), message) == Code.FORBIDDEN
