"""Attendance of one room: who has it open on this node, and on others as far as they said so.

Pure: messages of other nodes come in, in any order and any number of times, and who came or went comes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from chat_service.bus import Attendance, Attended, Life, Present

ONLINE_MOST = 1000
"""Most people that an answer names as present, and that a node tells others of in one room: presence is for
looking at, not for counting crowds.
"""

AGAIN_MOST_S = 3600.0
"""Longest time between two reports of a node that is believed."""

OVERDUE = 3
"""How many reports of a node may fail to arrive before what it said of a room is forgotten."""


class Change(NamedTuple):
    """Somebody is in the room who was not on any node, or is on none any more."""

    person: Present
    here: bool


class _There:
    """What another node said of the room. `told` has the change that spoke last of each person."""

    __slots__ = ("base", "life", "named", "newest", "people", "told", "until")

    def __init__(self, life: Life, until: float) -> None:
        self.life = life
        self.until = until
        self.base = 0
        self.newest = 0
        self.named = 0
        self.people: dict[Present, None] = {}
        self.told: dict[Present, int] = {}


class RoomAttendance:
    """Somebody is present while a connection of theirs is, on any node."""

    def __init__(self) -> None:
        self.served = False
        """Whether this node hears what others say of the room."""
        self.listed: dict[Present, None] = {}
        """Those whom this node told the others of."""
        self.change = 0
        """The number of what it told them last."""
        self.named_here = 0
        """People of the original protocol on this node."""
        self._connections: dict[str, Present] = {}
        self._here: dict[Present, int] = {}
        self._there: dict[str, _There] = {}
        self._nodes: dict[Present, int] = {}

    def __bool__(self) -> bool:
        """Whether anybody has the room open here."""
        return bool(self._connections)

    # -- who is present -------------------------------------------------------------------------------

    def present(self) -> list[Present]:
        """Everyone, each once, in the order in which this node learnt of them."""
        return list(self._nodes)

    def named(self) -> int:
        """How many people of the original protocol there are, also where they are not listed."""
        return self.named_here + sum(there.named for there in self._there.values())

    # -- on this node ---------------------------------------------------------------------------------

    def enter(self, connection: str, person: Present) -> list[Change]:
        """A connection that had not opens the room."""
        self._connections[connection] = person
        self._here[person] = self._here.get(person, 0) + 1
        if self._here[person] > 1:
            return []
        self.named_here += bool(person.name)
        return self._on_one_more(person)

    def leave(self, connection: str) -> list[Change]:
        """A connection has the room open no longer."""
        person = self._connections.pop(connection, None)
        if person is None:
            return []
        self._here[person] -= 1
        if self._here[person]:
            return []
        del self._here[person]
        self.named_here -= bool(person.name)
        return self._on_one_less(person)

    def is_here(self, person: Present) -> bool:
        """Whether a connection of this node is theirs."""
        return person in self._here

    def by(self, connection: str) -> Present | None:
        """As whom a connection has the room open."""
        return self._connections.get(connection)

    def list_all(self) -> tuple[Present, ...]:
        """List everyone here that can be listed."""
        self.listed = dict.fromkeys(islice(self._here, ONLINE_MOST))
        return tuple(self.listed)

    # -- on other nodes -------------------------------------------------------------------------------

    def report(self, report: Attendance, now: float) -> list[Change]:
        """Take in what a node says of everyone; what it said later of somebody stands."""
        there, changes = self._of(report.life, now)
        if there is None or report.change < there.base:
            return changes
        people = dict.fromkeys(report.people[:ONLINE_MOST])
        later = {person: change for person, change in there.told.items() if change > report.change}
        for person in later:
            if person in there.people:
                people[person] = None
            else:
                people.pop(person, None)
        gone = [person for person in there.people if person not in people]
        come = [person for person in people if person not in there.people]
        there.people, there.told, there.base = people, later, report.change
        if report.change >= there.newest:
            there.named = max(0, report.named)
            there.newest = report.change
        there.until = now + OVERDUE * min(max(report.again_s, 1.0), AGAIN_MOST_S)
        for person in gone:
            changes += self._on_one_less(person)
        for person in come:
            changes += self._on_one_more(person)
        return changes

    def told(self, told: Attended, now: float) -> tuple[list[Change], bool]:
        """Take in what a node says of somebody; and whether something it said before did not arrive."""
        there, changes = self._of(told.life, now)
        if there is None:
            return changes, False
        person = told.person
        missed = told.after > there.newest
        if told.change > there.newest:
            there.newest, there.named = told.change, max(0, told.named)
        if told.change <= max(there.base, there.told.get(person, 0)):
            return changes, missed
        there.told[person] = told.change
        if told.here and person not in there.people and len(there.people) < ONLINE_MOST:
            there.people[person] = None
            changes += self._on_one_more(person)
        elif not told.here and person in there.people:
            del there.people[person]
            changes += self._on_one_less(person)
        if len(there.told) > 4 * ONLINE_MOST:
            # Those who are gone are kept against messages that come late; a report makes up for it.
            there.told = {who: at for who, at in there.told.items() if who in there.people}
            missed = True
        return changes, missed

    def forget(self, node: str) -> list[Change]:
        """Take what a node said for no longer true."""
        there = self._there.pop(node, None)
        gone: Iterable[Present] = () if there is None else there.people
        return [change for person in gone for change in self._on_one_less(person)]

    def overdue(self, now: float) -> list[Change]:
        """Forget nodes that reported nothing for too long."""
        late = [node for node, there in self._there.items() if there.until < now]
        return [change for node in late for change in self.forget(node)]

    def _of(self, life: Life, now: float) -> tuple[_There | None, list[Change]]:
        there = self._there.get(life.node)
        if there is not None and life.began < there.life.began:
            return None, []
        changes: list[Change] = []
        if there is None or life.began > there.life.began:
            changes = self.forget(life.node)
            there = self._there[life.node] = _There(life, now + OVERDUE * AGAIN_MOST_S)
        return there, changes

    # -- on all ---------------------------------------------------------------------------------------

    def _on_one_more(self, person: Present) -> list[Change]:
        nodes = self._nodes[person] = self._nodes.get(person, 0) + 1
        return [Change(person, here=True)] if nodes == 1 else []

    def _on_one_less(self, person: Present) -> list[Change]:
        self._nodes[person] -= 1
        if self._nodes[person]:
            return []
        del self._nodes[person]
        return [Change(person, here=False)]
