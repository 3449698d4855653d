"""Messages as people see them: an entry folded with the edits, deletions and reactions that target it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chat_service.model.entries import Entry, Kind
from chat_service.model.redaction import Redactions


class Message(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A message after everything up to some seq has been applied to it.

    `body` is the newest version; `edited` is the seq of the edit that made it. A redacted message keeps its
    place with an empty body. `reactions` maps an emoji to the ids of those who set it, in order of setting.
    `thread` is the message that a reply hangs on; that one counts its `replies`, the last made at
    `last_reply_ts`.
    """

    seq: int
    id: str
    sender: str
    ts: int
    key: str | None = None
    body: dict[str, Any] = {}
    edited: int | None = None
    edited_ts: int | None = None
    redacted: bool = False
    reactions: dict[str, list[str]] = {}
    pinned: bool = False
    thread: int | None = None
    replies: int = 0
    last_reply_ts: int | None = None


def fold(messages: Sequence[Entry], related: Iterable[Entry], redactions: Redactions) -> list[Message]:
    """Fold `related` (ascending by seq) into `messages`.

    `related` holds every entry that targets one of the messages, up to the seq the result is said to be
    as of; `redactions` holds what redacts them. What cannot apply (an edit of somebody else's message, a
    target that is no message) was refused at append and is ignored here.
    """
    folded = {entry.seq: _start(entry) for entry in messages if entry.kind is Kind.MESSAGE}
    for entry in related:
        message = folded.get(entry.target) if entry.target is not None else None
        if message is not None:
            _apply(message, entry)
    for entry in messages:
        if entry.seq in folded and (entry.redacted or redactions.cover(entry)):
            _redact(folded[entry.seq])
    return [folded[entry.seq] for entry in messages if entry.seq in folded]


def _start(entry: Entry) -> Message:
    return Message(
        seq=entry.seq,
        id=entry.id,
        sender=entry.sender,
        ts=entry.ts,
        key=entry.key if entry.own_key else None,
        body=entry.body,
        reactions={},
        thread=entry.target,
    )


def _apply(message: Message, entry: Entry) -> None:
    if entry.kind is Kind.EDIT and entry.sender == message.sender and not entry.redacted:
        message.body = {**message.body, **entry.body}
        message.edited = entry.seq
        message.edited_ts = entry.ts
    elif entry.kind is Kind.DELETE:
        _redact(message)
    elif entry.kind is Kind.REACTION:
        _react(message, entry)
    elif entry.kind is Kind.PIN:
        message.pinned = bool(entry.body["on"])


def _react(message: Message, entry: Entry) -> None:
    emoji: str = entry.body["emoji"]
    people = message.reactions.setdefault(emoji, [])
    if entry.body["on"]:
        if entry.sender not in people:
            people.append(entry.sender)
    elif entry.sender in people:
        people.remove(entry.sender)
    if not people:
        del message.reactions[emoji]


def _redact(message: Message) -> None:
    message.redacted = True
    message.body = {}
    message.edited = message.edited_ts = None
    message.reactions = {}
    message.pinned = False
