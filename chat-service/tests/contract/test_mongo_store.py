"""The MongoDB store: what it asks of a URI, how it fails and comes back, and what it refuses to start on."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pymongo
import pytest
import structlog

from chat_service.model.errors import ChatError, Code
from chat_service.storage.mongo import BATCH_LIMIT, Limits, MongoStore
from chat_service.storage.mongo_uri import database_of
from chat_service.storage.mongo_visibility import awaited
from servers.mongodb import MongoServer, server_kind, with_database, with_options

GENEROUS_S = 10
"""Far beyond every limit of the store: an operation that takes this long hangs."""


@pytest.fixture
async def store(mongodb_uri: str) -> AsyncIterator[MongoStore]:
    opened = MongoStore(mongodb_uri)
    await opened.open()
    yield opened
    await opened.close()


async def refused(store: MongoStore) -> ChatError:
    """What a store says while its server does not answer."""
    with pytest.raises(ChatError) as problem:
        await asyncio.wait_for(store.probe(), GENEROUS_S)
    return problem.value


# The URI


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mongodb://one.example:27017,two.example:27018/chat?replicaSet=rs0", "chat"),
        ("mongodb://user:p%40ss@host/chat_2-b", "chat_2-b"),
        ("mongodb+srv://host.example/chat", "chat"),
    ],
)
def test_the_path_of_the_uri_names_the_database(uri: str, name: str) -> None:
    assert database_of(uri) == name


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://hunter2@host/chat",
        "mongodb://user:hunter2@host:27017",
        "mongodb://user:hunter2@host:27017/",
        "mongodb://user:hunter2@host/with space",
        "mongodb://user:hun/ter2@host/chat",
        "mongodb://[hunter2/chat",
    ],
)
def test_a_uri_without_a_database_is_refused_in_words_that_quote_nothing_of_it(uri: str) -> None:
    with pytest.raises(ValueError, match="MongoDB") as problem:
        MongoStore(uri)
    assert "hunter2" not in str(problem.value)
    assert "ter2" not in str(problem.value)


async def test_a_uri_that_the_driver_refuses_is_not_quoted_either() -> None:
    store = MongoStore("mongodb://user:hunter2@host:port/chat")
    with pytest.raises(ValueError, match="cannot be used") as problem:
        await store.open()
    assert "hunter2" not in str(problem.value)
    assert problem.value.__cause__ is None


async def test_what_the_uri_says_about_writes_does_not_count(mongodb_uri: str) -> None:
    weak = "retryWrites=true&w=0&journal=false&readConcernLevel=local&readPreference=secondary"
    store = MongoStore(with_options(mongodb_uri, weak))
    await store.open()
    options = await store.run(_options)
    await store.close()
    assert options["write"] == {"w": "majority", "j": True, "wtimeout": 1000}
    assert options["read"] == {"level": "majority"}
    assert options["preference"] == "primary"
    assert options["retries"] is False


async def _options(database: Any) -> dict[str, Any]:
    return {
        "write": database.write_concern.document,
        "read": database.read_concern.document,
        "preference": database.read_preference.mongos_mode,
        "retries": database.client.options.retry_writes,
    }


async def test_a_rotated_uri_is_taken_without_a_break(mongodb_uri: str) -> None:
    uri = [mongodb_uri]
    store = MongoStore(lambda: uri[0], limits=Limits(operation_s=5.0))
    await store.open()
    stop = asyncio.Event()

    async def keep_writing() -> int:
        written = 0
        while not stop.is_set():
            assert await store.collection("kept").insert({"_id": f"{written:06d}"})
            written += 1
        return written

    writers = asyncio.create_task(keep_writing())
    clients = set()
    for turn in range(3):
        uri[0] = with_options(mongodb_uri, f"appName=turn-{turn}")
        await store.probe()
        clients.add(await store.run(_client))
    stop.set()
    written = await asyncio.wait_for(writers, GENEROUS_S)
    assert len(clients) == 3
    assert await store.collection("kept").count({"_id": {"$gte": ""}}, limit=1_000_000) == written
    await store.close()


async def _client(database: Any) -> int:
    return id(database.client)


@pytest.mark.parametrize("bad", ["nonsense", "mongodb://host:1/another", "mongodb://host:port/{name}"])
async def test_a_rotated_uri_that_cannot_be_used_leaves_the_store_as_it_was(mongodb_uri: str, bad: str) -> None:
    uri = [mongodb_uri]
    store = MongoStore(lambda: uri[0])
    await store.open()
    uri[0] = bad.format(name=store.database)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await store.probe()
    assert [line["event"] for line in logs] == ["store.uri_not_taken"]
    await store.close()


# A server that goes away


async def test_a_server_that_is_killed_is_unavailable_and_back_it_serves_again(own_mongodb: MongoServer) -> None:
    store = MongoStore(with_database(own_mongodb.uri, "chat"))
    await store.open()
    kept = store.collection("kept")
    assert await kept.insert({"_id": "before"})
    own_mongodb.kill()
    with structlog.testing.capture_logs() as logs:
        problems = [await refused(store) for _ in range(2)]
        with pytest.raises(ChatError):
            await kept.insert({"_id": "during"})
    assert {problem.code for problem in problems} == {Code.UNAVAILABLE}
    assert all(problem.retryable for problem in problems)
    assert [line["event"] for line in logs] == ["store.unavailable"]
    own_mongodb.start()
    await back(store)
    assert await kept.find_one({"_id": "before"}) == {"_id": "before"}
    await store.close()


async def test_a_server_that_hangs_is_unavailable_for_everybody_who_asks(own_mongodb: MongoServer) -> None:
    store = MongoStore(with_database(own_mongodb.uri, "chat"))
    await store.open()
    own_mongodb.freeze()
    asked = [store.collection("kept").insert({"_id": str(number)}) for number in range(200)]
    found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), GENEROUS_S)
    assert {type(problem) for problem in found} == {ChatError}
    own_mongodb.thaw()
    await back(store)
    await store.close()


async def back(store: MongoStore) -> None:
    """Return once the server answers again."""
    async with asyncio.timeout(GENEROUS_S):
        while True:
            try:
                return await store.probe()
            except ChatError:
                await asyncio.sleep(0.05)


async def test_a_server_that_is_not_there_is_said_so_when_opening(own_mongodb: MongoServer) -> None:
    own_mongodb.kill()
    store = MongoStore(with_database(own_mongodb.uri, "chat"))
    with pytest.raises(ChatError) as problem:
        await asyncio.wait_for(store.open(), GENEROUS_S)
    assert problem.value.code is Code.UNAVAILABLE
    await store.close()
    assert (await refused(store)).message == "The store is closed."


async def test_a_server_is_believed_by_the_authority_that_signed_for_it(
    tmp_path: Path, require: Callable[[str], str], lacking: Callable[[str], None]
) -> None:
    kind = server_kind()
    if kind is None:
        lacking("a MongoDB-protocol server with a certificate of ours")
    mine, other = (certificate(require("openssl"), tmp_path / name) for name in ("mine", "other"))
    server = MongoServer(str(kind), tmp_path / "mongodb", mine)
    server.start()
    try:
        for trusted, believed in ((mine, True), (other, False), (None, False)):
            store = MongoStore(with_database(server.uri, "chat"), tls_ca=trusted)
            with nullcontext() if believed else pytest.raises(ChatError):
                await store.open()
            await store.close()
    finally:
        server.kill()


def certificate(openssl: str, at: Path) -> Path:
    """A certificate for 127.0.0.1 that signed itself, and its key, in one file."""
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mongodb"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{at}.key", "-out", f"{at}.crt"]
    subprocess.run([*made, *names], check=True, capture_output=True)
    both = at.with_suffix(".pem")
    both.write_bytes(at.with_suffix(".key").read_bytes() + at.with_suffix(".crt").read_bytes())
    return both


async def test_tls_files_that_are_not_there_are_said_so(tmp_path: Path) -> None:
    store = MongoStore("mongodb://127.0.0.1:1/chat", tls_ca=tmp_path / "missing")
    with pytest.raises(ValueError, match="TLS"):
        await store.open()


# What is tried before a server is used


async def test_a_server_that_goes_on_after_a_conflict_is_refused(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FerretDB splits an insert of more than 100 and begins the next part after a conflict in the first."""
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        if "ferretdbVersion" not in client.server_info():
            pytest.skip("this server stops where it should, whatever the size of the insert")
    monkeypatch.setattr("chat_service.storage.mongo.BATCH_LIMIT", 250)
    store = MongoStore(mongodb_uri)
    with pytest.raises(RuntimeError, match="ordered insert"):
        await store.open()
    await store.close()


async def test_a_batch_beyond_the_limit_is_a_defect_of_the_caller(store: MongoStore) -> None:
    documents = [{"_id": str(number)} for number in range(BATCH_LIMIT + 1)]
    with pytest.raises(ValueError, match="at most 100"):
        await store.collection("kept").insert_ordered(documents)


async def test_nodes_that_start_together_probe_without_meeting_and_leave_nothing(mongodb_uri: str) -> None:
    stores = [MongoStore(mongodb_uri) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    assert all(store.refuses_repeated_keys for store in stores)
    assert await stores[0].collection("probe").count({"_id": {"$gte": ""}}, limit=1) == 0
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_probe_removes_what_one_that_was_killed_left_behind(mongodb_uri: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.get_default_database()["probe"].insert_one({"_id": "000001000000000-dead.0001", "once": "x"})
        client.get_default_database()["probe"].insert_one({"_id": "999999999999999-live.0001", "once": "y"})
    store = MongoStore(mongodb_uri)
    await store.open()
    left = await store.collection("probe").find({"_id": {"$gte": ""}}, sort=None, limit=9)
    assert [document["_id"] for document in left] == ["999999999999999-live.0001"]
    await store.close()


# Collections


async def test_a_duplicate_key_is_a_value(store: MongoStore) -> None:
    kept = store.collection("kept")
    assert await kept.insert({"_id": "b", "n": 1})
    assert not await kept.insert({"_id": "b", "n": 2})
    assert await kept.insert_ordered([{"_id": "a"}, {"_id": "b"}, {"_id": "c"}]) == 1
    assert await kept.insert_each([{"_id": "a"}, {"_id": "d"}, {"_id": "b"}]) == {0, 2}
    found = await kept.find({"_id": {"$gte": ""}}, sort=(("_id", 1),), limit=9)
    assert found == [{"_id": "a"}, {"_id": "b", "n": 1}, {"_id": "d"}]


async def test_one_document_is_changed_where_it_matches(store: MongoStore) -> None:
    kept = store.collection("kept")
    over_a_lower_one = {"_id": "a", "n": {"$lt": 5}}
    await kept.insert({"_id": "a", "n": 4})
    assert await kept.update_one(over_a_lower_one, {"$set": {"n": 5}})
    assert not await kept.update_one(over_a_lower_one, {"$set": {"n": 6}})
    assert await kept.find_one_and_update(over_a_lower_one, {"$set": {"n": 9}}) is None
    assert await kept.find_one_and_update({"_id": "a"}, {"$inc": {"n": 2}}) == {"_id": "a", "n": 7}
    assert await kept.find_one_and_update({"_id": "z"}, {"$inc": {"n": 2}}) is None
    assert not await kept.update_one({"_id": "z"}, {"$set": {"n": 1}})


async def test_several_documents_are_changed_counted_and_removed(store: MongoStore) -> None:
    kept = store.collection("kept")
    await kept.insert_ordered([{"_id": name, "n": 1} for name in "abcde"])
    assert await kept.update_each([({"_id": "a"}, {"$set": {"n": 2}}), ({"_id": "z"}, {"$set": {"n": 2}})]) == 1
    assert await kept.update_many({"_id": {"$gte": "d"}}, {"$unset": {"n": ""}}) == 2
    assert await kept.count({"_id": {"$gte": ""}, "n": 1}, limit=9) == 2
    assert await kept.count({"_id": {"$gte": ""}}, limit=3) == 3
    assert await kept.find({"_id": {"$gte": ""}}, sort=None, limit=0) == []
    assert await kept.delete_one({"_id": "a"})
    assert not await kept.delete_one({"_id": "a"})
    assert await kept.delete_many({"_id": {"$gte": "c"}}) == 3
    assert await kept.find({}, sort=None, limit=None) == [{"_id": "b", "n": 1}]


async def test_numbers_come_back_as_plain_ones(store: MongoStore) -> None:
    """The driver has a type of its own for those of 64 bits, which msgspec does not encode."""
    kept = store.collection("kept")
    await kept.insert({"_id": "a", "numbers": [1, 2**40, -(2**63)], "within": {"ms": 1_800_000_000_000}})
    found = await kept.find_one_and_update({"_id": "a"}, {"$inc": {"within.ms": 1}})
    assert found == await kept.find_one({"_id": "a"})
    assert msgspec.json.decode(msgspec.json.encode(found)) == {
        "_id": "a",
        "numbers": [1, 2**40, -(2**63)],
        "within": {"ms": 1_800_000_000_001},
    }


async def test_one_document_changes_atomically(store: MongoStore) -> None:
    kept = store.collection("kept")
    await kept.insert({"_id": "count", "n": 0})
    takes = [kept.update_one({"_id": "count", "n": {"$lt": 10}}, {"$inc": {"n": 1}}) for _ in range(40)]
    assert sum(await asyncio.gather(*takes)) == 10
    assert await kept.find_one({"_id": "count"}) == {"_id": "count", "n": 10}


async def test_more_documents_than_the_server_sends_at_once_are_all_found(store: MongoStore) -> None:
    kept = store.collection("kept")
    names = [f"{number:04d}" for number in range(300)]
    for start in range(0, 300, 100):
        await kept.insert_ordered([{"_id": name} for name in names[start : start + 100]])
    for limit in (None, 250):
        found = await kept.find({"_id": {"$gte": ""}}, sort=(("_id", 1),), limit=limit)
        assert [document["_id"] for document in found] == names[:limit]


async def test_what_a_conflict_has_shown_is_waited_for(store: MongoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store.collection("kept")

    async def later() -> None:
        await asyncio.sleep(0.1)
        await kept.insert({"_id": "a"})

    found, _ = await asyncio.gather(awaited(kept, {"_id": "z"}, {"_id": "a"}), later())
    assert found == {"_id": "a"}
    monkeypatch.setattr("chat_service.storage.mongo_visibility.VISIBLE_S", 0.1)
    assert await awaited(kept, {"_id": "z"}) is None
