"""The MongoDB store itself."""
from __future__ import annotations
from chat_service.storage.mongo import MongoStore

async def test_it(mongodb_uri: str) -> None:
    store = MongoStore(mongodb_uri)
    await store.open()
    assert store.refuses_repeated_keys
    await store.close()
