"""What people are shown of rooms: the answers that REST and sockets share."""

from __future__ import annotations

import msgspec

from chat_service.directory.rooms import MembershipRow
from chat_service.log import Activity
from chat_service.model.permissions import Role
from chat_service.model.rooms import HistoryAccess, RoomKind, RoomState, Visibility

UNREAD_MOST = 100
"""Unread messages that are counted: as many stand for as many or more."""


class RoomView(msgspec.Struct, frozen=True, kw_only=True):
    """A room as one person sees it. `with_user` is the other person of a direct room.

    `retention_days` is how long the room keeps messages, 0 without an end of its own.
    """

    room: str
    kind: RoomKind
    visibility: Visibility
    history: HistoryAccess
    guests: bool
    name: str
    topic: str
    created_ts: int
    role: Role
    people: int
    last_seq: int
    retention_days: int = 0
    with_user: str | None = None


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One of somebody's rooms in their list.

    `unread` are the messages by others after `read_seq`, counted up to UNREAD_MOST; `mentions` those of all
    messages there that are for them. `last_message_ts` is in milliseconds since 1970, None where nothing was
    said yet. A `muted` room is not to be counted, a `favourite` one stands on top.
    """

    room: str
    kind: RoomKind
    visibility: Visibility
    name: str
    topic: str
    role: Role
    last_seq: int
    read_seq: int
    unread: int
    mentions: int
    last_message_ts: int | None
    muted: bool
    favourite: bool
    with_user: str | None = None


class MemberView(msgspec.Struct, frozen=True):
    """A member of a room; `since` is the seq of the entry that let them in."""

    user: str
    role: Role
    since: int


class MembersPage(msgspec.Struct, frozen=True):
    """Members by user id; `more` says whether there are some beyond the last."""

    members: list[MemberView]
    more: bool


class EntriesPage(msgspec.Struct, frozen=True):
    """Entries in their wire form, ascending. `last_seq` and `last_id` are the log's end, `epoch` its epoch."""

    entries: list[msgspec.Raw]
    last_seq: int
    last_id: str
    epoch: str
    more: bool


def view(state: RoomState, user: str) -> RoomView:
    """The room as `user` sees it."""
    others = [member for member in state.members if member != user]
    return RoomView(
        room=state.room,
        kind=state.kind,
        visibility=state.visibility,
        history=state.history,
        guests=state.guests,
        name=state.name,
        topic=state.topic,
        created_ts=state.created_ts,
        role=state.role_of(user),
        people=len(state.members),
        last_seq=state.head.seq,
        retention_days=state.retention_days,
        with_user=others[0] if state.kind is RoomKind.DIRECT and others else None,
    )


def summary(row: MembershipRow, last_seq: int, activity: Activity) -> RoomSummary:
    """One line of somebody's room list; `last_seq` is the end of the room's log."""
    return RoomSummary(
        room=row.room,
        kind=row.kind,
        visibility=row.visibility,
        name=row.name,
        topic=row.topic,
        role=row.role,
        last_seq=last_seq,
        read_seq=row.read_seq,
        unread=activity.unread,
        mentions=row.mentions,
        last_message_ts=activity.last_ts,
        muted=row.muted,
        favourite=row.favourite,
        with_user=row.with_user,
    )


def members_page(state: RoomState, after: str, limit: int) -> MembersPage:
    """Members by user id, beyond the id `after`."""
    found = sorted(member for member in state.members if member > after)[: limit + 1]
    page = [MemberView(one, state.members[one].role, state.members[one].since) for one in found[:limit]]
    return MembersPage(page, more=len(found) > limit)
