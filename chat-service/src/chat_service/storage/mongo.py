"""The MongoDB connection: one bounded client, short time limits, and every driver error translated once.

The only module that imports the driver (motor). What it sends is what MongoDB, Amazon DocumentDB, Azure
DocumentDB, Firestore and FerretDB all understand: docs/mongodb.md lists it, and a test holds the list.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from chat_service.model.errors import ChatError, unavailable
from chat_service.storage.mongo_probe import check_server
from chat_service.storage.mongo_uri import database_of

POOL = 32
"""Most connections of one node, and so most operations at once; the others wait within their time limit."""

os.environ.setdefault("MOTOR_MAX_WORKERS", str(POOL))  # read once, at import: motor holds a thread per operation

from bson.codec_options import TypeDecoder, TypeRegistry  # noqa: E402
from bson.int64 import Int64  # noqa: E402
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase  # noqa: E402
from pymongo import ReturnDocument, UpdateOne  # noqa: E402
from pymongo.errors import (  # noqa: E402
    BulkWriteError,
    ConfigurationError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.monitoring import CommandListener  # noqa: E402

T = TypeVar("T")
Document = dict[str, Any]
Where = Mapping[str, Any]
Change = Mapping[str, Mapping[str, Any]]
"""An update: operators, fields, values. docs/mongodb.md lists the operators that every server has."""

Order = Sequence[tuple[str, int]]
"""Fields to sort by, 1 ascending and -1 descending; an index must have them."""

BATCH_LIMIT = 100
"""Most documents in one write: FerretDB splits longer ones and goes on after a conflict in one part."""

HEARTBEAT_MS = 2_000
"""How often each server is looked at: how soon a primary that left without a word is missed."""

_DUPLICATE = frozenset({11000, 11001, 12582})  # the codes of a duplicate key, as the driver knows them

logging.getLogger("pymongo").setLevel(logging.WARNING)  # its debug lines hold whole commands: what people wrote

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, in seconds, one operation may take in all, and how much of it finding a server."""

    operation_s: float = 1.5
    connect_s: float = 1.0


PATIENT = Limits(operation_s=600.0, connect_s=5.0)
"""For building an index on a collection that is full already."""


class MongoStore:
    """One MongoDB database, for one event loop: `open` it, take `collection`s, `close` it.

    Every method of it and of its collections raises ChatError `unavailable` where the server does not do
    what was asked within the limits. The outcome of a write is unknown then, also where the server only
    could not say in time that a majority has it.
    """

    refuses_repeated_keys: bool = False
    """Whether unique indexes are kept: found out by `open`, and taken back where one cannot be made."""

    def __init__(
        self,
        uri: Callable[[], str] | str,
        *,
        tls_ca: Path | None = None,
        limits: Limits | None = None,
        listeners: Sequence[CommandListener] = (),
    ) -> None:
        """Prepare for the server at `uri`, asked for again before every operation so that it can be rotated.

        The path of the URI names the database. `tls_ca` is the file of the authority that signed the
        server's certificate. `listeners` are told of every command. Raises ValueError where the URI cannot
        be used; the message never holds a part of it.
        """
        self._uri = uri if callable(uri) else lambda: uri
        self._tls_ca = tls_ca
        self._limits = limits or Limits()
        self._listeners = listeners
        self._text = self._uri()
        self.database = database_of(self._text)
        self._client: AsyncIOMotorClient[Document] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._well = True

    async def open(self) -> None:
        """Connect, and find out whether the server keeps what the log relies on.

        Raises ChatError `unavailable` where it cannot be reached, RuntimeError where it may not be used.
        """
        self._connect()
        await self.probe()
        async with self.patient() as patient:  # making an index can take seconds, also where it has little to hold
            self.refuses_repeated_keys = await check_server(patient.collection("probe"), BATCH_LIMIT)

    async def close(self) -> None:
        """Hang up. What is on its way fails with an unknown outcome."""
        for task in tuple(self._retiring):
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    async def probe(self) -> None:
        """Return where the server answers now; for readiness."""
        await self.run(lambda database: database.command("ping"))

    def collection(self, name: str) -> MongoCollection:
        """The collection of that name. It need not exist yet; migrations make its indexes."""
        return MongoCollection(self, name)

    @asynccontextmanager
    async def patient(self) -> AsyncIterator[MongoStore]:
        """The same database with time for long work, through a client of its own."""
        store = MongoStore(self._uri, tls_ca=self._tls_ca, limits=PATIENT, listeners=self._listeners)
        store._connect()
        try:
            yield store
        finally:
            await store.close()

    async def run(self, operation: Callable[[AsyncIOMotorDatabase[Document]], Awaitable[T]]) -> T:
        """Run one operation on the database within the time limit; for this module and its tests."""
        database = self._current()[self.database]
        try:
            async with asyncio.timeout(self._limits.operation_s):
                result = await operation(database)
        except (PyMongoError, TimeoutError) as problem:
            raise self._translated(problem) from problem
        if not self._well:
            self._well = True
            log.info("store.reachable_again")
        return result

    def _connect(self) -> None:
        self._client = self._new_client(self._text)

    def _current(self) -> AsyncIOMotorClient[Document]:
        if self._client is None:
            raise unavailable("The store is closed.")
        text = self._uri()
        if text != self._text:
            self._text = text
            self._rotate(self._client, text)
        return self._client

    def _rotate(self, old: AsyncIOMotorClient[Document], text: str) -> None:
        try:
            self._client = self._new_client(text)
        except ValueError as problem:
            log.warning("store.uri_not_taken", reason=str(problem))
            return
        log.info("store.uri_rotated")
        task = asyncio.get_running_loop().create_task(self._retire(old), name="retire a MongoDB client")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retire(self, client: AsyncIOMotorClient[Document]) -> None:
        try:
            await asyncio.sleep(2 * self._limits.operation_s)  # what began on it has ended by then
        finally:
            await asyncio.to_thread(client.close)

    def _new_client(self, text: str) -> AsyncIOMotorClient[Document]:
        if database_of(text) != self.database:
            raise ValueError("The new MongoDB URI names another database: restart to use that.")
        operation_ms, connect_ms = (round(1000 * s) for s in (self._limits.operation_s, self._limits.connect_s))
        tls: dict[str, Any] = {"tls": True, "tlsCAFile": str(self._tls_ca)} if self._tls_ca else {}
        try:
            return AsyncIOMotorClient(
                text,
                appname="chat-service",
                connectTimeoutMS=connect_ms,
                serverSelectionTimeoutMS=connect_ms,
                heartbeatFrequencyMS=HEARTBEAT_MS,
                socketTimeoutMS=operation_ms,
                waitQueueTimeoutMS=operation_ms,
                maxPoolSize=POOL,
                retryWrites=False,
                w="majority",
                journal=True,
                wTimeoutMS=connect_ms,
                readPreference="primary",
                readConcernLevel="majority",
                type_registry=TypeRegistry([_PlainNumbers()]),
                event_listeners=list(self._listeners),
                **tls,
            )
        except (InvalidURI, ConfigurationError, ValueError, OSError) as problem:
            # The driver's own words may quote the URI, and with it a password.
            raise ValueError(
                f"The MongoDB URI or its TLS files cannot be used ({type(problem).__name__}): expected"
                " mongodb://user:password@host:port/database?options, user and password percent-encoded."
            ) from None

    def _translated(self, problem: Exception) -> ChatError:
        if self._well:
            self._well = False
            code = problem.code if isinstance(problem, OperationFailure) else None
            log.warning("store.unavailable", error=type(problem).__name__, code=code)
        return unavailable("The store cannot be reached now. Try again.")


class MongoCollection:
    """One collection, as `log` and `directory` use it. Errors are those of MongoStore.

    Every read goes to the primary and sees only what a majority has; every write waits for a majority and
    its journal. One document changes atomically, several do not. A duplicate key is a value, not an error.
    """

    def __init__(self, store: MongoStore, name: str) -> None:
        self.store = store
        self.name = name

    async def find_one(
        self, where: Where, *, sort: Order | None = None, fields: Collection[str] | None = None
    ) -> Document | None:
        """The first document that matches, whole or `fields` (and `_id`) of it; None where none does."""
        found = await self.find(where, sort=sort, limit=1, fields=fields)
        return found[0] if found else None

    async def find(
        self,
        where: Where,
        *,
        sort: Order | None,
        limit: int | None,
        fields: Collection[str] | None = None,
    ) -> list[Document]:
        """The documents that match. Without `sort` their order means nothing; without `limit` all of them."""
        shown = None if fields is None else dict.fromkeys(fields, 1)
        if limit == 0:
            return []
        return await self._run(
            lambda collection: collection.find(
                where, shown, sort=sort, limit=limit or 0, batch_size=limit or 0
            ).to_list(None)
        )

    async def count(self, where: Where, *, limit: int) -> int:
        """How many documents match, counted up to `limit` (at least 1)."""
        answer = await self.store.run(
            lambda database: database.command(
                {"count": self.name, "query": where, "limit": limit, "readConcern": {"level": "majority"}}
            )
        )
        return int(answer["n"])

    async def insert(self, document: Document) -> bool:
        """Store a new document; False where its `_id`, or what a unique index keeps single, is taken."""
        return await self.insert_ordered([document]) == 1

    async def insert_ordered(self, documents: Sequence[Document]) -> int:
        """Store up to BATCH_LIMIT documents up to the first whose key is taken; return how many were stored."""
        refused = await self._insert(documents, ordered=True)
        return min(refused, default=len(documents))

    async def insert_each(self, documents: Sequence[Document]) -> set[int]:
        """Store those of up to BATCH_LIMIT documents whose key is free; return the positions of the others."""
        return await self._insert(documents, ordered=False)

    async def update_one(self, where: Where, change: Change) -> bool:
        """Change one document that matches; False where none does."""
        return (await self._run(lambda collection: collection.update_one(where, change))).matched_count > 0

    async def update_each(self, changes: Sequence[tuple[Where, Change]]) -> int:
        """Do up to BATCH_LIMIT `update_one`s in any order; return how many found a document."""
        _need_batch(changes)
        if not changes:
            return 0
        requests = [UpdateOne(where, change) for where, change in changes]
        result = await self._run(lambda collection: collection.bulk_write(requests, ordered=False))
        return result.matched_count

    async def update_many(self, where: Where, change: Change) -> int:
        """Change every document that matches; return how many did."""
        return (await self._run(lambda collection: collection.update_many(where, change))).matched_count

    async def find_one_and_update(self, where: Where, change: Change) -> Document | None:
        """As `update_one`, returning the document as it is after the change; None for False."""
        after = ReturnDocument.AFTER
        return await self._run(lambda found: found.find_one_and_update(where, change, return_document=after))

    async def delete_one(self, where: Where) -> bool:
        """Remove one document that matches; whether there was one."""
        return (await self._run(lambda collection: collection.delete_one(where))).deleted_count > 0

    async def delete_many(self, where: Where) -> int:
        """Remove every document that matches; return how many did."""
        return (await self._run(lambda collection: collection.delete_many(where))).deleted_count

    async def indexes(self) -> dict[str, bool]:
        """The names of the indexes, and whether each is unique. Empty where the collection does not exist."""
        found = await self._run(lambda collection: collection.list_indexes().to_list(None))
        return {index["name"]: bool(index.get("unique")) for index in found}

    async def create_index(self, name: str, keys: Order, *, unique: bool = False) -> bool:
        """Make an index where there is none of that name; False where the server refuses it."""

        async def create(collection: AsyncIOMotorCollection[Document]) -> bool:
            options: dict[str, Any] = {"unique": True} if unique else {}
            try:
                await collection.create_index(list(keys), name=name, **options)
            except OperationFailure as refusal:
                log.warning("store.index_refused", collection=self.name, index=name, code=refusal.code)
                return False
            return True

        return await self._run(create)

    async def _insert(self, documents: Sequence[Document], *, ordered: bool) -> set[int]:
        _need_batch(documents)
        if not documents:
            return set()

        async def insert(collection: AsyncIOMotorCollection[Document]) -> set[int]:
            try:
                await collection.insert_many(documents, ordered=ordered)
            except BulkWriteError as problem:
                errors = (problem.details or {}).get("writeErrors", [])
                unsure = (problem.details or {}).get("writeConcernErrors")
                if unsure or not errors or any(error["code"] not in _DUPLICATE for error in errors):
                    raise
                return {error["index"] for error in errors}
            return set()

        return await self._run(insert)

    async def _run(self, operation: Callable[[AsyncIOMotorCollection[Document]], Awaitable[T]]) -> T:
        return await self.store.run(lambda database: operation(database[self.name]))


class _PlainNumbers(TypeDecoder):
    """Reads 64-bit numbers as `int`: the driver's own type is one that JSON encoders refuse."""

    bson_type = Int64

    def transform_bson(self, value: int) -> int:
        return int(value)


def _need_batch(items: Sequence[object]) -> None:
    if len(items) > BATCH_LIMIT:
        raise ValueError(f"at most {BATCH_LIMIT} in one write, not {len(items)}")
