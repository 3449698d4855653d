"""A client's picture of a room, kept as docs/protocol.md tells client authors to keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass
class RoomPicture:
    """What a client shows. `held` is the seq of the last entry it has, without a hole before it.

    Each message comes with an `as_of`: everything up to that seq is in it already.
    """

    held: int = 0
    messages: dict[int, Message] = field(default_factory=dict)
    as_of: dict[int, int] = field(default_factory=dict)
    later: list[dict[str, Any]] = field(default_factory=list)

    def open(self, answer: dict[str, Any]) -> None:
        """Take an answer to room:open."""
        if answer["reset"] is not None:
            self.messages.clear()
            self.as_of.clear()
            self.later.clear()
            self.held = answer["reset"]["as_of"]
            self._put(answer["reset"]["messages"], answer["reset"]["as_of"])
        for entry in answer["entries"]:
            self.entry(entry)
        assert self.held == answer["last_seq"]

    def entry(self, entry: dict[str, Any]) -> None:
        """Take a live entry, or one of an answer."""
        assert entry["seq"] == self.held + 1, f"after {self.held} came {entry['seq']}"
        self.held = entry["seq"]
        self.later.append(entry)
        if entry["kind"] == "message":
            self._put([{name: entry[name] for name in _FIELDS if name in entry}], entry["seq"])
            if entry.get("redacted"):
                _redact(self.messages[entry["seq"]])
        elif entry.get("target") in self.messages:
            self._apply(entry)

    def history(self, answer: dict[str, Any]) -> None:
        """Take a page of room:history: older messages, as of a seq before or after what is held."""
        self._put(answer["messages"], answer["as_of"])
        for entry in self.later:
            if entry.get("target") in self.messages:
                self._apply(entry)

    def shown(self) -> list[Message]:
        """The messages in order."""
        return [self.messages[seq] for seq in sorted(self.messages)]

    def _put(self, messages: list[Message], as_of: int) -> None:
        for message in messages:
            if self.as_of.get(message["seq"], 0) <= as_of:
                self.messages[message["seq"]] = dict(message)
                self.as_of[message["seq"]] = as_of

    def _apply(self, entry: dict[str, Any]) -> None:
        message = self.messages[entry["target"]]
        if entry["seq"] <= self.as_of[entry["target"]]:
            return
        self.as_of[entry["target"]] = entry["seq"]
        if entry["kind"] == "delete":
            _redact(message)
        elif message.get("redacted") or entry.get("redacted"):
            return
        elif entry["kind"] == "edit":
            message["body"] = {**message["body"], **entry["body"]}
            message["edited"], message["edited_ts"] = entry["seq"], entry["ts"]
        elif entry["kind"] == "reaction":
            _react(message, entry)


_FIELDS = ("seq", "id", "sender", "ts", "key", "body")


def _react(message: Message, entry: dict[str, Any]) -> None:
    reactions = {emoji: list(people) for emoji, people in message.get("reactions", {}).items()}
    people = reactions.setdefault(entry["body"]["emoji"], [])
    if entry["body"]["on"] and entry["sender"] not in people:
        people.append(entry["sender"])
    elif not entry["body"]["on"] and entry["sender"] in people:
        people.remove(entry["sender"])
    message["reactions"] = {emoji: people for emoji, people in reactions.items() if people}
    if not message["reactions"]:
        del message["reactions"]


def _redact(message: Message) -> None:
    for name in ("body", "edited", "edited_ts", "reactions"):
        message.pop(name, None)
    message["redacted"] = True
