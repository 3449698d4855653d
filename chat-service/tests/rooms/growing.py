"""Logs that may be: requests drawn at random, of which those that are allowed become entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from chat_service.model import ids
from chat_service.model.entries import TARGETING, Entry, Kind
from chat_service.model.writes import Write

from .entries import ALICE, BOB, CAROL, DAVE, created, entry
from .judging import refusal_after

PEOPLE = (ALICE, BOB, CAROL, DAVE)
SETTINGS = ({"visibility": "public"}, {"visibility": "private"}, {"history": "joined"}, {"guests": True})
ROLES = ("owner", "admin", "member", "guest")


class Wish(NamedTuple):
    """What somebody would like to happen; `about` and `how` mean what the kind makes of them."""

    kind: Kind
    who: int
    about: int
    how: int


def wishes(*kinds: Kind, people: int = len(PEOPLE)) -> st.SearchStrategy[Wish]:
    """Wishes of these kinds, most of them about the same few things."""
    about = st.sampled_from((0, 0, 0, 1, 1, 2, 3, 7))
    return st.builds(Wish, st.sampled_from(kinds), st.integers(0, people - 1), about, st.integers(0, 3))


_TALK = {
    Kind.MESSAGE: 6,
    Kind.EDIT: 4,
    Kind.REACTION: 6,
    Kind.PIN: 2,
    Kind.DELETE: 2,
    Kind.RETAIN: 1,
    Kind.ERASE: 1,
}
_CHANGES = {Kind.JOIN: 6, Kind.LEAVE: 4, Kind.ROLE: 4, Kind.TOPIC: 1, Kind.NAME: 1, Kind.SETTINGS: 1}


def _often(kinds: dict[Kind, int]) -> list[Kind]:
    return [kind for kind, times in kinds.items() for _ in range(times)]


TALK = wishes(*_often(_TALK), people=2)
CHANGES = wishes(*_often(_CHANGES | {Kind.MESSAGE: 1, Kind.RETAIN: 1, Kind.ERASE: 1}))


def grown(wanted: Sequence[Wish], begin: Sequence[Entry] | None = None) -> list[Entry]:
    """`begin` (a room of Alice's) and everything wanted that was allowed."""
    log = list(begin) if begin is not None else [created()]
    for wish in wanted:
        grow(log, wish)
    return log


def grow(log: list[Entry], wish: Wish) -> None:
    """Append what is wanted, where it is allowed."""
    write = _write(log, wish)
    if refusal_after(log, write) is None:
        seq = len(log) + 1
        body = write.body
        if write.kind is Kind.DELETE and write.target is not None:
            # As the server completes it: the first deletion of a reply names its thread.
            thread = log[write.target - 1].target
            if thread is not None and not any(
                (one.kind, one.target) == (Kind.DELETE, write.target) for one in log
            ):
                body = {"thread": thread}
        log.append(entry(seq, write.kind, body, sender=write.sender, target=write.target))


def _is_reply(log: Sequence[Entry], wish: Wish) -> bool:
    return wish.kind is Kind.MESSAGE and wish.how > 1 and any(entry.kind is Kind.MESSAGE for entry in log)


def _write(log: Sequence[Entry], wish: Wish) -> Write:
    who, whom = PEOPLE[wish.who], PEOPLE[wish.about % 4]
    messages = [one.seq for one in log if one.kind is Kind.MESSAGE] or [1]
    target = messages[-1 - wish.about % len(messages)]
    upto = max(1, target - wish.how + 1)
    bodies: dict[Kind, dict[str, Any]] = {
        Kind.MESSAGE: {"text": f"text {len(log)}"},
        Kind.EDIT: {"text": f"edited {len(log)}"},
        Kind.REACTION: {"emoji": "ab"[wish.how % 2], "on": wish.how < 3},
        Kind.PIN: {"on": wish.how < 3},
        Kind.JOIN: {"user": whom, "role": ROLES[wish.how]},
        Kind.LEAVE: {"user": whom},
        Kind.ROLE: {"user": whom, "role": ROLES[wish.how]},
        Kind.TOPIC: {"topic": f"topic {len(log)}"},
        Kind.NAME: {"name": f"name {len(log)}"},
        Kind.SETTINGS: SETTINGS[wish.how],
        Kind.RETAIN: {"upto": upto},
        Kind.ERASE: {"user": whom, "upto": upto},
    }
    if wish.kind in {Kind.RETAIN, Kind.ERASE}:
        who = ids.SYSTEM_SENDER
    return Write(
        kind=wish.kind,
        sender=who,
        key=f"key{len(log)}",
        digest="",
        body=bodies.get(wish.kind, {}),
        target=target if wish.kind in TARGETING or _is_reply(log, wish) else None,
    )
