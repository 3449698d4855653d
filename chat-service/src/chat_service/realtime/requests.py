"""What clients of protocol v1 send: the checked type of every event's argument."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from chat_service.rooms.requests import EditBody, Emoji, Key, Limit, Position, Request, RoomId, Seq, Text


class OpenRequest(Request):
    """room:open. Without `after` the newest page is answered; else what follows that entry."""

    room: RoomId
    after: Position | UnsetType = UNSET
    after_id: str | UnsetType = UNSET
    epoch: str | UnsetType = UNSET


class CloseRequest(Request):
    """room:close."""

    room: RoomId


class SentBody(Request):
    """The words of a message."""

    text: Text


class SendRequest(Request):
    """message:send."""

    room: RoomId
    key: Key
    body: SentBody
    reply_to: Seq | UnsetType = UNSET


class EditRequest(Request):
    """message:edit."""

    room: RoomId
    key: Key
    target: Seq
    body: EditBody


class DeleteRequest(Request):
    """message:delete."""

    room: RoomId
    key: Key
    target: Seq


class ReactionRequest(Request):
    """reaction:set."""

    room: RoomId
    key: Key
    target: Seq
    emoji: Emoji
    on: bool


class ReadRequest(Request):
    """read:mark."""

    room: RoomId
    seq: Position


class TypingRequest(Request):
    """typing."""

    room: RoomId
    on: bool


class HistoryRequest(Request):
    """room:history: the newest `limit` messages before the seq `before`."""

    room: RoomId
    before: Seq
    limit: Limit = 50


class RefreshRequest(Request):
    """auth:refresh: a newer access token of the same person."""

    token: str


class Auth(Request):
    """CONNECT's `auth`."""

    token: str
