"""Rows of the directory in MongoDB: how many go at once, and how one is written only over a lower one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec

from chat_service.model.errors import unavailable
from chat_service.storage.mongo import BATCH_LIMIT, Change, Document, MongoCollection

BY_ID = ("_id_", (("_id", 1),))
"""The name and keys of the index that a collection needs which has no other: not every server makes it unasked."""

REMOVE_PAGE = 1000
"""Documents that are removed at once: what takes longer than one operation may is done in pieces."""

T = TypeVar("T")
_LAST_CHARACTER = "\U0010ffff"


def batches(items: Collection[T]) -> Iterator[list[T]]:
    """`items` in pieces that one write, or one `$in`, may have."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH_LIMIT)):
        yield batch


def begins_with(prefix: str) -> dict[str, str]:
    """The range of an index in which all texts stand that begin with `prefix`."""
    return {"$gte": prefix, "$lt": prefix + _LAST_CHARACTER}


def document_of(row: msgspec.Struct) -> Document:
    """A row as a document: its `id` is the `_id`."""
    document = msgspec.structs.asdict(row)
    return {"_id": document.pop("id"), **document}


def row_of(kind: type[T], document: Document) -> T:
    """The row that a document holds; fields that a newer version put there are left alone."""
    return msgspec.convert({"id": document["_id"], **document}, kind)


async def find_among(
    collection: MongoCollection, field: str, values: Collection[str], fields: Collection[str] | None = None
) -> list[Document]:
    """The documents whose `field` is one of `values`, in no order."""
    found = await asyncio.gather(
        *(
            collection.find({field: {"$in": batch}}, sort=None, limit=None, fields=fields)
            for batch in batches(dict.fromkeys(values))
        )
    )
    return [document for some in found for document in some]


async def numbers_of(collection: MongoCollection, field: str, ids: Collection[str]) -> dict[str, int]:
    """The number that `field` is in each of the documents with these ids, of those that exist."""
    found = await find_among(collection, "_id", ids, fields=[field])
    return {document["_id"]: int(document[field]) for document in found}


async def put_over_lower(
    collection: MongoCollection, rows: Sequence[Document], by: str, *, or_equal: bool = False
) -> None:
    """Store each row, unless there is one of its `_id` with the same or (not `or_equal`) a higher `by`.

    Nobody can tell in one step whether a row is there and lower. So it is inserted, which an `_id` that is
    taken refuses, and those that were refused replace what is there if that is lower; each step is atomic,
    and as rows are never removed the second finds what refused the first. Repeating it changes nothing.
    """
    for batch in batches(rows):
        refused = await collection.insert_each(batch)
        await replace_lower(collection, [batch[position] for position in refused], by, or_equal=or_equal)


async def replace_lower(
    collection: MongoCollection, rows: Sequence[Document], by: str, *, or_equal: bool = False
) -> int:
    """Write each of up to BATCH_LIMIT rows over the one that is there, if its `by` is lower; how many were."""
    lower = "$lte" if or_equal else "$lt"
    return await collection.update_each(
        [
            ({"_id": row["_id"], by: {lower: row[by]}}, {"$set": {key: row[key] for key in row if key != "_id"}})
            for row in rows
        ]
    )


async def remove_range(collection: MongoCollection, first: str, last: str) -> None:
    """Remove every document with an id from `first` to `last`, however many there are."""
    while True:
        within = {"_id": {"$gte": first, "$lte": last}}
        page = await collection.find(within, sort=(("_id", 1),), limit=REMOVE_PAGE, fields=["_id"])
        if page:
            await collection.delete_many({"_id": {"$gte": first, "$lte": page[-1]["_id"]}})
        if len(page) < REMOVE_PAGE:
            return


async def remove_all(collection: MongoCollection) -> None:
    """Remove every document."""
    await remove_range(collection, "", _LAST_CHARACTER)


async def change_or_make(collection: MongoCollection, row: Document, change: Change) -> dict[str, Any]:
    """Change the document with the `_id` of `row`, made as `row` is where there is none; return it as it is then.

    Not by an upsert: DocumentDB's lets two that make a document at once overwrite each other (seen in 0.108).
    """
    for _ in range(2):
        found = await collection.find_one_and_update({"_id": row["_id"]}, change)
        if found is not None:
            return found
        await collection.insert_each([row])  # refused where somebody else was faster, which is as good
    raise unavailable("The same row is made and removed at the same time. Try again.")
