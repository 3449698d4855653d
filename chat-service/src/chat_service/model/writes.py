"""Writes: what a caller wants appended, and whether a room's state lets it be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError, Code, LastingError, forbidden, not_found
from chat_service.model.ids import SYSTEM_SENDER, USER_GUEST
from chat_service.model.permissions import Action, Role, may_grant, outranks
from chat_service.model.rooms import RoomState

_canonical = msgspec.json.Encoder(order="sorted")


@dataclass(slots=True, frozen=True)
class Write:
    """A request to append one entry.

    `key` is the idempotency key within (room, sender); `own_key` is false where the server made it. `body`
    is already checked for its shape; `digest` is `digest_of` the request.
    """

    kind: Kind
    sender: str
    key: str
    digest: str
    body: dict[str, Any]
    target: int | None = None
    own_key: bool = True

    def refers_to(self) -> int | None:
        """The earlier message that must be there for this write to make sense."""
        if self.target is not None:
            return self.target
        reply: int | None = self.body.get("reply_to")
        return reply

    def files(self) -> list[str]:
        """The ids of the files that a message brings."""
        files: list[str] = self.body.get("files", [])
        return files


def digest_of(secret: bytes, kind: Kind, target: int | None, body: Mapping[str, Any]) -> str:
    """Keyed BLAKE2b-128 of a request in canonical JSON.

    Keyed, so that the digest left behind by an erased message does not confirm a guess of its text.
    """
    material = _canonical.encode([str(kind), target, body])
    return hashlib.blake2b(material, key=secret, digest_size=16).hexdigest()


def same_request(stored: Entry, write: Write) -> bool:
    """Whether `write` repeats the request that made `stored`; a redacted entry's body is not compared."""
    if stored.kind is not write.kind or stored.target != write.target:
        return False
    return stored.redacted or stored.digest == write.digest


def judge(state: RoomState, write: Write, referred: Entry | None) -> None:
    """Raise the ChatError that refuses `write` after everything up to `state.head`; return if it may be.

    `referred` is the entry `write.refers_to()`, masked where it was redacted, or None where there is none.
    """
    if not state.exists:
        if write.kind is not Kind.CREATE:
            raise not_found("There is no such room.")
        return
    if write.kind is Kind.CREATE:
        raise ChatError(Code.CONFLICT, "This room exists already.")
    if write.sender == SYSTEM_SENDER:
        return
    if not state.permits(write.sender, Action.READ):
        raise not_found("There is no such room.")
    _RULES[write.kind](state, write, referred)


def _need(state: RoomState, write: Write, action: Action, message: str) -> None:
    if not state.permits(write.sender, action):
        raise forbidden(message)


def _message(state: RoomState, write: Write, referred: Entry | None) -> None:
    _need(state, write, Action.SEND, "Only members of this room may write in it. Join it first.")
    if write.refers_to() is None:
        return
    there = _message_there(state, write, referred)
    if write.target is not None and there.target is not None:
        message = f"Message {there.seq} is a reply in a thread itself: write to the thread of {there.target}."
        raise LastingError(Code.INVALID, message)


def _edit(state: RoomState, write: Write, referred: Entry | None) -> None:
    _need(state, write, Action.EDIT_OWN, "Only members of this room may edit messages in it.")
    if _message_there(state, write, referred).sender != write.sender:
        raise LastingError(Code.FORBIDDEN, "Only its author may edit a message.")


def _delete(state: RoomState, write: Write, referred: Entry | None) -> None:
    message = _message_there(state, write, referred, redacted_too=True)
    if message.sender == write.sender:
        _need(state, write, Action.DELETE_OWN, "Only members of this room may delete messages in it.")
    else:
        _need(state, write, Action.DELETE_ANY, "Only owners and admins may delete other people's messages.")


def _reaction(state: RoomState, write: Write, referred: Entry | None) -> None:
    _need(state, write, Action.REACT, "Only members of this room may react to messages in it.")
    _message_there(state, write, referred)


def _pin(state: RoomState, write: Write, referred: Entry | None) -> None:
    _need(state, write, Action.PIN, "Only members of this room may pin messages in it.")
    _message_there(state, write, referred, redacted_too=not write.body["on"])


def _message_there(state: RoomState, write: Write, referred: Entry | None, *, redacted_too: bool = False) -> Entry:
    missing = referred is None or referred.kind is not Kind.MESSAGE or referred.seq > state.head.seq
    if missing or referred is None or referred.seq < state.readable_from(write.sender):
        raise not_found(f"There is no message {write.refers_to()} in this room.")
    if referred.redacted and not redacted_too:
        raise LastingError(Code.NOT_FOUND, f"Message {referred.seq} was deleted.")
    return referred


def _join(state: RoomState, write: Write, referred: Entry | None) -> None:
    del referred
    user: str = write.body["user"]
    role = Role(write.body["role"])
    if user == write.sender:
        _need(state, write, Action.JOIN, "This room cannot be joined without an invitation.")
        if user not in state.members and role is not Role.MEMBER:
            raise forbidden("Whoever joins on their own becomes a member.")
        return
    _need(state, write, Action.ADD_MEMBER, "Only members may add people to this room.")
    if not may_grant(state.role_of(write.sender), role) and role not in {Role.MEMBER, Role.GUEST}:
        raise forbidden(f"You cannot make somebody {role} here.")
    if user[:1] == USER_GUEST and not state.guests:
        raise forbidden("This room is not open to guests.")
    if user[:1] == USER_GUEST and role is not Role.GUEST:
        raise forbidden("A guest can only be a guest of a room.")


def _leave(state: RoomState, write: Write, referred: Entry | None) -> None:
    del referred
    user: str = write.body["user"]
    if user == write.sender:
        _need(state, write, Action.LEAVE, "You are not a member of this room.")
    else:
        _need(state, write, Action.REMOVE_MEMBER, "Only owners and admins may remove people.")
        _outranked(state, write, user)
    if len(state.members) > 1:
        _keep_an_owner(state, user)


def _role(state: RoomState, write: Write, referred: Entry | None) -> None:
    del referred
    user: str = write.body["user"]
    role = Role(write.body["role"])
    _need(state, write, Action.SET_ROLE, "Only owners and admins may change roles.")
    _outranked(state, write, user)
    if not may_grant(state.role_of(write.sender), role):
        raise forbidden(f"You cannot make somebody {role} here.")
    if user[:1] == USER_GUEST and role is not Role.GUEST:
        raise forbidden("A guest can only be a guest of a room.")
    if role is not Role.OWNER:
        _keep_an_owner(state, user)


def _outranked(state: RoomState, write: Write, user: str) -> None:
    member = state.members.get(user)
    if member is None:
        raise not_found("That person is not a member of this room.")
    if user != write.sender and not outranks(state.role_of(write.sender), member.role):
        raise forbidden(f"You cannot change somebody who is {member.role} here.")


def _keep_an_owner(state: RoomState, user: str) -> None:
    member = state.members.get(user)
    if member is not None and member.role is Role.OWNER and state.owners() == 1:
        raise ChatError(Code.CONFLICT, "A room needs an owner: make somebody else owner first.")


def _topic(state: RoomState, write: Write, referred: Entry | None) -> None:
    del referred
    _need(state, write, Action.SET_TOPIC, "Only members may set the topic of this room.")


def _configure(state: RoomState, write: Write, referred: Entry | None) -> None:
    del referred
    _need(state, write, Action.CONFIGURE, "Only owners and admins may change this room.")
    if "retention_days" in write.body:
        _need(state, write, Action.SET_RETENTION, "Only owners may say how long messages are kept.")


def _system_only(state: RoomState, write: Write, referred: Entry | None) -> None:
    del state, write, referred
    raise forbidden("Only the service itself redacts a range of entries.")


_RULES = {
    Kind.MESSAGE: _message,
    Kind.EDIT: _edit,
    Kind.DELETE: _delete,
    Kind.REACTION: _reaction,
    Kind.PIN: _pin,
    Kind.JOIN: _join,
    Kind.LEAVE: _leave,
    Kind.ROLE: _role,
    Kind.TOPIC: _topic,
    Kind.NAME: _configure,
    Kind.SETTINGS: _configure,
    Kind.RETAIN: _system_only,
    Kind.ERASE: _system_only,
}
