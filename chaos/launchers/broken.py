"""A node on the embedded store with one flaw that has to be found: `python -m chaos.launchers.broken FLAW`."""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chat_service import bus, log
from chat_service.bus import local
from chat_service.log import sqlite as sqlite_log
from chat_service.rooms.delivery import Delivery
from chat_service.rooms.hub import RoomHub
from chat_service.rooms.opening import Held, Openings
from chat_service.rooms.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from chat_service.model.entries import Entry

LOSES = 0.05
"""The chance that the bus of a lossy node loses what it carries."""

LATE_S = 0.5
"""How much later than it says so a node without a durable acknowledgement stores."""


def ack_before_store() -> None:
    """Acknowledge at once, and store in a moment."""
    store = sqlite_log.SqliteRoomLog.append
    storing: set[asyncio.Task[None]] = set()

    async def append(self: sqlite_log.SqliteRoomLog, room: str, first: int, entries: Sequence[Entry]) -> int:
        async def later() -> None:
            await asyncio.sleep(LATE_S)
            await store(self, room, first, entries)

        task = asyncio.get_running_loop().create_task(later())
        storing.add(task)
        task.add_done_callback(storing.discard)
        return len(entries)

    _put(sqlite_log.SqliteRoomLog, "append", append)


def lossy_bus() -> None:
    """No flaw: a bus that loses, as any bus may."""
    sound = local.LocalBus

    def lossy(**told: Any) -> bus.Bus:
        return sound(local.Faults(random.Random(1), lose=LOSES), **told)

    _put(local, "LocalBus", lossy)


def no_gap_repair() -> None:
    """On such a bus, never read from the log what did not arrive."""
    lossy_bus()

    async def never(self: Delivery) -> None:
        del self

    _put(RoomHub, "expect_repair", lambda self, delay_s=0.0: None)
    _put(Delivery, "check_tails", never)


def no_key_check() -> None:
    """Store whatever comes, also what is stored already."""
    unique, plain = "CREATE UNIQUE INDEX entries_key", "CREATE INDEX entries_key"
    migrations = tuple(
        replace(one, statements=tuple(said.replace(unique, plain) for said in one.statements))
        for one in sqlite_log.MIGRATIONS
    )
    _put(sqlite_log, "MIGRATIONS", migrations)

    async def forgets(self: log.RoomLog, room: str, keys: Collection[tuple[str, str]]) -> dict[Any, Entry]:
        del self, room, keys
        return {}

    _put(sqlite_log.SqliteRoomLog, "by_keys", forgets)
    _put(Recent, "with_key", lambda self, sender, key: None)


def no_epoch() -> None:
    """Believe whatever a client says that it holds."""

    async def believes(self: Openings, writer: object, held: Held, first: int) -> int | None:
        del self, writer, first
        return held.after

    _put(Openings, "_start", believes)


FLAWS: dict[str, Callable[[], None]] = {
    "ack-before-store": ack_before_store,
    "no-gap-repair": no_gap_repair,
    "no-key-check": no_key_check,
    "no-epoch": no_epoch,
    "lossy-bus": lossy_bus,
}


def _put(where: object, name: str, flawed: object) -> None:
    """Put something flawed in the place of what is there; a name that is not there (any more) is an error."""
    getattr(where, name)
    setattr(where, name, flawed)


if __name__ == "__main__":
    FLAWS[sys.argv[1]]()
    # Imported now, so that whoever takes something by its name gets what was put there.
    from chat_service.cli import main

    sys.exit(main(["serve"]))
