"""The node directory in MongoDB: one document a node."""

from __future__ import annotations

from chat_service.directory.nodes import NodeRow
from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (MongoMigration("nodes-1-rows", (Index("nodes", "nodes_seen", (("seen", 1),)),)),)


class MongoNodeDirectory:
    """`NodeDirectory` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._nodes = store.collection("nodes")

    async def beat(self, node: str, now_ms: int, *, bus_healthy: bool) -> None:
        """See NodeDirectory."""
        known = {"seen": now_ms, "bus_healthy": bus_healthy, "left": False}
        if not await self._nodes.update_one({"_id": node}, {"$set": known}):
            await self._nodes.insert({"_id": node, **known})

    async def leave(self, node: str) -> None:
        """See NodeDirectory."""
        await self._nodes.update_one({"_id": node}, {"$set": {"left": True}})

    async def peers(self, since_ms: int) -> list[NodeRow]:
        """See NodeDirectory."""
        found = await self._nodes.find({"seen": {"$gte": since_ms}}, sort=None, limit=None)
        rows = [
            NodeRow(node=one["_id"], seen=one["seen"], bus_healthy=one["bus_healthy"], left=one["left"])
            for one in found
        ]
        return sorted(rows, key=lambda row: row.node)

    async def prune(self, before_ms: int) -> int:
        """See NodeDirectory."""
        return await self._nodes.delete_many({"seen": {"$lt": before_ms}})
