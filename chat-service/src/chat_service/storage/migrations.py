"""Schema migrations of the SQLite file: numbered, expand first, each applied once.

A migration only adds: the version before must be able to work on what it leaves behind, so that going back
one version after a migration works. What it makes superfluous is dropped a release later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from chat_service.storage.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: a name that never changes, and its statements."""

    name: str
    statements: tuple[str, ...]


async def migrate(store: SqliteStore, migrations: Sequence[Migration]) -> list[str]:
    """Apply those of `migrations` that the file lacks, in order; return the names applied now."""

    def run(db: sqlite3.Connection) -> list[str]:
        db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, at INTEGER NOT NULL)")
        done = {name for (name,) in db.execute("SELECT name FROM migrations")}
        applied = [step for step in migrations if step.name not in done]
        for step in applied:
            for statement in step.statements:
                db.execute(statement)
            db.execute("INSERT INTO migrations VALUES (?, unixepoch())", (step.name,))
        return [step.name for step in applied]

    return await store.write(run)
