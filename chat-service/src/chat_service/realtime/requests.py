"""What clients of protocol v1 send: the checked type of every event's argument."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from chat_service.rooms.requests import (
    EditBody,
    Emoji,
    Files,
    Key,
    Limit,
    Position,
    Request,
    RoomId,
    Seq,
    Text,
    check_message,
)


class OpenRequest(Request):
    """room:open. Without `after` the newest page is answered; else what follows that entry."""

    room: RoomId
    after: Position | UnsetType = UNSET
    after_id: str | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    changes: bool = False


class CloseRequest(Request):
    """room:close."""

    room: RoomId


class SentBody(Request):
    """The words of a message: left out where it is files only."""

    text: Text | UnsetType = UNSET


class SendRequest(Request):
    """message:send."""

    room: RoomId
    key: Key
    body: SentBody
    reply_to: Seq | UnsetType = UNSET
    thread: Seq | UnsetType = UNSET
    files: Files | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Hold together what belongs together."""
        check_message(self.body.text, self.reply_to, self.thread, self.files, text_field="body.text")


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


class PinRequest(Request):
    """pin:set."""

    room: RoomId
    key: Key
    target: Seq
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
    """room:history: `limit` messages before or after a seq, or `around` one."""

    room: RoomId
    before: Seq | UnsetType = UNSET
    after: Position | UnsetType = UNSET
    around: Seq | UnsetType = UNSET
    limit: Limit = 50
    changes: bool = False

    def __post_init__(self) -> None:
        """Exactly one place is meant."""
        if sum(place is not UNSET for place in (self.before, self.after, self.around)) != 1:
            raise ValueError("before: expected one of before, after and around")


class RefreshRequest(Request):
    """auth:refresh: a newer access token of the same person."""

    token: str


class Auth(Request):
    """CONNECT's `auth`."""

    token: str
