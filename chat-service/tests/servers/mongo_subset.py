"""The MongoDB commands that the service may send: the common subset of all servers that docs/mongodb.md lists.

A listener on the driver checks every command at the moment it is sent: its name, its options, the operators
in it, that an index serves its filter, and that its sort is in the order of an index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from chat_service.storage.mongo import BATCH_LIMIT
from chat_service.storage.mongo_migrations import MongoMigration

OPTIONS: Mapping[str, frozenset[str]] = {
    "ping": frozenset(),
    "find": frozenset({"filter", "projection", "sort", "limit", "batchSize", "singleBatch"}),
    "getMore": frozenset({"collection", "batchSize"}),
    "killCursors": frozenset({"cursors"}),
    "count": frozenset({"query", "limit"}),
    "insert": frozenset({"documents", "ordered"}),
    "update": frozenset({"updates", "ordered"}),
    "delete": frozenset({"deletes", "ordered"}),
    "findAndModify": frozenset({"query", "update", "new", "upsert"}),
    "listIndexes": frozenset({"cursor"}),
    "createIndexes": frozenset({"indexes"}),
    "endSessions": frozenset(),
    "saslStart": frozenset({"mechanism", "payload", "options", "autoAuthorize"}),
    "saslContinue": frozenset({"conversationId", "payload"}),
}
_ALWAYS = frozenset({"$db", "$clusterTime", "$readPreference", "lsid", "readConcern", "writeConcern"})
_PARTS: Mapping[str, tuple[str, frozenset[str]]] = {
    "update": ("updates", frozenset({"q", "u", "multi", "upsert"})),
    "delete": ("deletes", frozenset({"q", "limit"})),
    "createIndexes": ("indexes", frozenset({"key", "name", "unique"})),
}
CONDITIONS = frozenset(
    {"$and", "$or", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$regex"}
)
CHANGES = frozenset({"$set", "$unset", "$inc", "$max", "$push", "$pull"})
_WRITES = frozenset({"insert", "update", "delete", "findAndModify"})
_READS = frozenset({"find", "count"})
_WHOLE = frozenset({"migrations"})
"""Collections so small that they are read as they are."""


class SubsetGuard(CommandListener):
    """Notes every command outside the subset in `outside`; `sent` are the names of all."""

    def __init__(self, migrations: Sequence[MongoMigration]) -> None:
        self.outside: list[str] = []
        self.sent: set[str] = set()
        self._indexes: dict[str, list[tuple[str, ...]]] = {"probe": [("once",)]}
        for step in migrations:
            for index in step.indexes:
                self._indexes.setdefault(index.collection, []).append(tuple(name for name, _ in index.keys))

    def started(self, event: CommandStartedEvent) -> None:
        """Check one command."""
        self.sent.add(event.command_name)
        faults = [*self.faults(event.command_name, event.command)]
        self.outside += [f"{event.command_name}: {fault}" for fault in faults]

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to check."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to check."""

    def faults(self, name: str, command: Mapping[str, Any]) -> Iterator[str]:
        """What of a command is outside the subset."""
        if name not in OPTIONS:
            yield "no such command everywhere"
            return
        yield from (f"option {option}" for option in set(command) - OPTIONS[name] - _ALWAYS - {name})
        part, options = _PARTS.get(name, ("", frozenset()))
        for item in command.get(part, ()):
            yield from (f"option {option}" for option in set(item) - options)
        if sum(len(command.get(items, ())) for items in ("documents", "updates", "deletes")) > BATCH_LIMIT:
            yield "more than one batch"
        yield from (
            f"_id {one['_id']!r}" for one in command.get("documents", ()) if not isinstance(one["_id"], str)
        )
        yield from self._concerns(name, command)
        yield from self._conditions(name, command)
        yield from _changes(name, command)

    def _concerns(self, name: str, command: Mapping[str, Any]) -> Iterator[str]:
        concern = command.get("writeConcern", {})
        if name in _WRITES and not (
            concern.get("w") == "majority" and concern.get("j") and concern.get("wtimeout")
        ):
            yield f"write concern {concern}"
        if name in _READS and command.get("readConcern") != {"level": "majority"}:
            yield f"read concern {command.get('readConcern')}"
        if command.get("$readPreference", {"mode": "primary"}).get("mode") not in {"primary", "primaryPreferred"}:
            yield "a read from a secondary"

    def _conditions(self, name: str, command: Mapping[str, Any]) -> Iterator[str]:
        collection = str(command.get(name))
        filters = [command[key] for key in ("filter", "query") if key in command]
        filters += [item["q"] for key in ("updates", "deletes") for item in command.get(key, ())]
        order = tuple(command.get("sort", {}))
        for condition in filters:
            yield from (f"condition {one}" for one in _operators(condition) - CONDITIONS)
            if not self._served(collection, condition, order):
                yield f"no index of {collection} for {sorted(condition)} in the order {order}"

    def _served(self, collection: str, condition: Mapping[str, Any], order: tuple[str, ...]) -> bool:
        if collection in _WHOLE:
            return True
        indexes = [("_id",), *self._indexes.get(collection, [])]
        if order:
            return any(_in_order(index, _equal(condition), order) for index in indexes)
        return any(_narrowed(index[0], condition) for index in indexes)


def _in_order(index: Sequence[str], equal: Collection[str], order: Sequence[str]) -> bool:
    rest = list(index)
    while rest and rest[0] in equal and rest[0] != order[0]:
        del rest[0]
    return tuple(rest[: len(order)]) == tuple(order)


def _equal(condition: Mapping[str, Any]) -> set[str]:
    """The fields that are one value, or in a few ranges: servers merge those, or sort what is in them."""
    return {
        name
        for name, value in condition.items()
        if not isinstance(value, Mapping) or set(value) in ({"$eq"}, {"$in"}, {"$regex"})
    }


def _narrowed(field: str, condition: Mapping[str, Any]) -> bool:
    if field in condition:
        value = condition[field]
        return not isinstance(value, Mapping) or not set(value) <= {"$ne", "$nin", "$exists"}
    return any(_narrowed(field, part) for part in condition.get("$and", ())) or (
        "$or" in condition and all(_narrowed(field, part) for part in condition["$or"])
    )


def _operators(value: object) -> set[str]:
    if isinstance(value, Mapping):
        own = {name for name in value if name.startswith("$")}
        return own.union(*(_operators(part) for part in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(_operators(part) for part in value))
    return set()


def _changes(name: str, command: Mapping[str, Any]) -> Iterator[str]:
    # Spelt out by the driver in any case, and not atomic everywhere.
    if any(item.get("upsert") for item in (command, *command.get("updates", ()))):
        yield "an upsert"
    changes = [item["u"] for item in command.get("updates", ())]
    changes += [command["update"]] if name == "findAndModify" else []
    for change in changes:
        if isinstance(change, Mapping):
            yield from (f"change {one}" for one in set(change) - CHANGES)
        else:
            yield "an update by a pipeline"
