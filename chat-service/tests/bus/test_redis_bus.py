"""The bus on Redis in bad weather: servers killed, frozen, emptied, refusing; TLS; several of them; bad frames."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
import uvloop

from chat_service.bus import Alive, Hint, Item, Life, RoomFrame
from chat_service.bus import redis_link as link_module
from chat_service.bus.frames import FRAME_MOST, SENDER_BYTES, VERSION, encode
from chat_service.bus.redis import RedisBus
from chat_service.bus.redis_endpoints import RedisEndpoint
from chat_service.observability.metrics import Metrics
from servers.bus_station import PATIENCE_S, Station
from servers.redis_server import JOBS, LEAVING, RIGHTS, USER, Certificates, RedisServer, redis_server

Join = Callable[..., Any]


@pytest.fixture
def program(require: Callable[[str], str]) -> str:
    return require("redis-server")


@pytest.fixture
def server(program: str, tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(program, tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """A new node of a world of its own; all of them are stopped at the end."""
    world = secrets.token_hex(8)
    async with AsyncExitStack() as stack:

        async def join(*servers: RedisServer | RedisEndpoint, node: str = "", **options: Any) -> Station:
            endpoints = [one.endpoint if isinstance(one, RedisServer) else one for one in servers]
            metrics = Metrics()
            name = node or f"n{secrets.token_hex(2)}"
            bus = RedisBus(lambda: endpoints, node=name, **({"world": world, "metrics": metrics} | options))
            station = Station(name, bus)
            await bus.start()
            stack.push_async_callback(bus.stop)
            return station

        yield join


def frame(room: str, seq: int, text: bytes = b"{}") -> RoomFrame:
    return RoomFrame(room, "epoch", (Item(seq, f"i{seq}", 1, text),))


def dropped(metrics: Metrics, reason: str) -> float:
    return metrics.registry.get_sample_value("chat_bus_frames_dropped_total", {"reason": reason}) or 0.0


async def eventually(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not so():  # noqa: ASYNC110 - what it looks at is not ours to signal
            await asyncio.sleep(0.02)


async def in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)


async def talk(one: Station, other: Station, room: str = "room") -> None:
    """What one says in a room arrives at the other, and the other way round."""
    for here, there in ((one, other), (other, one)):
        here.arrived.clear()
        there.arrived.clear()
        here.bus.publish(frame(room, 1))
        await there.gets(frame(room, 1))


async def subscribed(*stations: Station, rooms: Sequence[str] = ("room",)) -> None:
    await asyncio.gather(*(station.bus.subscribe(room) for station in stations for room in rooms))


# The server comes and goes


async def test_a_killed_redis_is_noticed_and_everything_is_subscribed_again_when_it_is_back(
    server: RedisServer, join: Join
) -> None:
    one, other = await join(server), await join(server)
    rooms = [f"room {number}" for number in range(1200)]
    await subscribed(one, other, rooms=rooms)
    await in_thread(server.kill)
    await asyncio.gather(*(station.until_well(well=False) for station in (one, other)))
    async with asyncio.timeout(PATIENCE_S):
        await one.bus.subscribe("room")  # does not wait for what does not come
    await other.bus.subscribe("room")
    await one.bus.unsubscribe(rooms[0])
    one.bus.publish(frame("room", 7))
    await one.gets(frame("room", 7))
    assert other.arrived == [], "a node hears itself, others hear nothing while Redis is away"
    await in_thread(server.start)
    await asyncio.gather(*(station.until_well() for station in (one, other)))
    await talk(one, other)
    one.arrived.clear()
    for room in rooms:
        other.bus.publish(frame(room, 1))
    await other.reaches(one)
    heard = [message.room for message in one.arrived if isinstance(message, RoomFrame)]
    assert heard == rooms[1:]


async def test_a_frozen_redis_is_noticed_by_the_probe(server: RedisServer, join: Join) -> None:
    one, other = await join(server), await join(server)
    await subscribed(one, other)
    server.freeze()
    try:
        waiting = asyncio.ensure_future(one.bus.subscribe("another"))
        await asyncio.gather(*(station.until_well(well=False) for station in (one, other)))
        async with asyncio.timeout(PATIENCE_S):
            await waiting
    finally:
        server.thaw()
    await asyncio.gather(*(station.until_well() for station in (one, other)))
    await talk(one, other)
    await other.bus.subscribe("another")
    await talk(one, other, "another")


async def test_a_redis_that_takes_nothing_costs_bounded_memory(server: RedisServer, join: Join) -> None:
    metrics = Metrics()
    one, other = await join(server, metrics=metrics), await join(server)
    await subscribed(other)
    server.freeze()
    try:
        for seq in range(1, 41):
            one.bus.publish(frame("room", seq, b"x" * 1_000_000))
        assert not one.bus.healthy
        assert dropped(metrics, "unwell") > 0
    finally:
        server.thaw()
    await asyncio.gather(one.until_well(), other.until_well())
    await subscribed(one)
    one.arrived.clear()
    await one.reaches(other)


async def test_emptying_redis_loses_nothing(server: RedisServer, join: Join) -> None:
    one, other = await join(server), await join(server)
    await subscribed(one, other)
    assert await in_thread(server.command, "DBSIZE") == 0, "nothing is kept on Redis"
    await in_thread(server.command, "FLUSHALL")
    await talk(one, other)
    assert one.bus.healthy
    assert other.bus.healthy


async def test_a_connection_that_is_cut_comes_back(server: RedisServer, join: Join) -> None:
    one, other = await join(server), await join(server)
    await subscribed(one, other)
    turned: list[bool] = []
    one.bus.watch(lambda: turned.append(one.bus.healthy))
    for _ in range(3):
        turned.clear()
        await in_thread(server.command, "CLIENT", "KILL", "USER", USER)
        await eventually(lambda: turned == [False, True])
    await other.until_well()
    await talk(one, other)


async def test_a_node_starts_without_redis_and_finds_it_later(server: RedisServer, join: Join) -> None:
    await in_thread(server.kill)
    one, other = await join(server), await join(server)
    assert not one.bus.healthy
    await subscribed(one, other)
    await in_thread(server.start)
    await asyncio.gather(one.until_well(), other.until_well())
    await talk(one, other)


# Who is let in


@pytest.mark.parametrize(
    ("change", "says"),
    [({"password": "wrong"}, "WRONGPASS"), ({"password": ""}, "NOAUTH"), ({"username": "nobody"}, "WRONGPASS")],
)
async def test_a_wrong_password_is_said_once_and_clearly(
    server: RedisServer, join: Join, change: dict[str, str], says: str
) -> None:
    right = server.endpoint
    known = {"username": right.username, "password": right.password} | change
    with structlog.testing.capture_logs() as logs:
        one = await join(RedisEndpoint("127.0.0.1", right.port, False, known["username"], known["password"]))
        await asyncio.sleep(1.0)
    assert not one.bus.healthy
    told = [line for line in logs if line["event"] == "bus.unwell"]
    assert len(told) == 1, "the same thing is not said again and again"
    assert says in told[0]["reason"]
    assert told[0]["endpoint"] == right.address
    assert right.password not in str(logs)


async def test_a_password_that_changes_is_taken_up(server: RedisServer, join: Join) -> None:
    now = [server.endpoint]
    bus = RedisBus(lambda: list(now), node="n", world="w", metrics=Metrics())
    station = Station("n", bus)
    await bus.start()
    try:
        await in_thread(server.command, "ACL", "SETUSER", USER, "resetpass", ">another")
        await in_thread(server.command, "CLIENT", "KILL", "USER", USER)
        await station.until_well(well=False)
        now[:] = [RedisEndpoint("127.0.0.1", server.port, False, USER, "another")]
        await station.until_well()
    finally:
        await bus.stop()


@pytest.mark.parametrize("right", [*RIGHTS[3:], "&chat:*"])
async def test_each_right_that_the_service_asks_for_is_needed(server: RedisServer, join: Join, right: str) -> None:
    taken = "resetchannels" if right.startswith("&") else right.replace("+", "-")
    await in_thread(server.command, "ACL", "SETUSER", USER, taken)
    with structlog.testing.capture_logs() as logs:
        one = await join(server)
        if one.bus._links[0]._sharded and right in {"+publish", "+subscribe"}:
            assert one.bus.healthy, "those two are for servers before Redis 7"
            return
    assert not one.bus.healthy
    assert any("NOPERM" in line.get("reason", "") for line in logs)


async def test_the_rights_that_are_documented_are_those_that_are_tested() -> None:
    page = (Path(__file__).parents[3] / "docs" / "redis.md").read_text()
    assert " ".join((*RIGHTS, *LEAVING)) in page
    assert " ".join(JOBS) in page


async def test_rooms_are_given_up_on_the_server_after_a_while(
    server: RedisServer, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "LINGER_S", 0.0)
    one = await join(server)

    def channels() -> int:
        names = server.command("PUBSUB", "SHARDCHANNELS", "*:room:*") or server.command(
            "PUBSUB", "CHANNELS", "*:room:*"
        )
        return len(names)

    rooms = [f"room {number}" for number in range(1100)]
    await subscribed(one, rooms=rooms)
    assert await in_thread(channels) == 1100
    await asyncio.gather(*(one.bus.unsubscribe(room) for room in rooms[1:]))
    await eventually(lambda: channels() == 1)
    await subscribed(one, rooms=rooms[:600])
    assert await in_thread(channels) == 600
    assert one.bus.healthy


async def test_tls_is_spoken_and_the_certificate_is_looked_at(
    program: str, require: Callable[[str], str], tmp_path: Path, join: Join
) -> None:
    made = Certificates(require("openssl"), tmp_path / "tls")
    with redis_server(program, tmp_path / "redis", made) as server:
        one = await join(server, tls_ca=made.authority)
        other = await join(server, tls_ca=made.authority)
        await subscribed(one, other)
        await talk(one, other)
        with structlog.testing.capture_logs() as logs:
            stranger = await join(server)
        assert not stranger.bus.healthy
        assert any("CERTIFICATE_VERIFY_FAILED" in line.get("reason", "") for line in logs)
    with pytest.raises(FileNotFoundError):
        RedisBus(
            lambda: [server.endpoint], node="n", world="w", metrics=Metrics(), tls_ca=tmp_path / "missing.crt"
        )


async def test_a_replica_is_refused(
    program: str, server: RedisServer, tmp_path: Path, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "ROLE_EVERY", 1)
    with redis_server(program, tmp_path / "replica") as replica:
        one = await join(replica)
        assert one.bus.healthy
        await in_thread(replica.command, "CONFIG", "SET", "masterauth", server.password)
        await in_thread(replica.command, "REPLICAOF", "127.0.0.1", str(server.port))
        await one.until_well(well=False)
        await in_thread(replica.command, "REPLICAOF", "NO", "ONE")
        await one.until_well()


def test_the_loop_that_is_shipped_carries_the_same(
    program: str, tmp_path: Path, require: Callable[[str], str]
) -> None:
    made = Certificates(require("openssl"), tmp_path / "tls")

    async def play(server: RedisServer) -> None:
        buses = [
            RedisBus(lambda: [server.endpoint], node=node, world="w", metrics=Metrics(), tls_ca=made.authority)
            for node in "ab"
        ]
        one, other = (Station(node, bus) for node, bus in zip("ab", buses, strict=True))
        await asyncio.gather(*(bus.start() for bus in buses))
        await subscribed(one, other)
        await talk(one, other)
        await in_thread(server.kill)
        await asyncio.gather(one.until_well(well=False), other.until_well(well=False))
        await in_thread(server.start)
        await asyncio.gather(one.until_well(), other.until_well())
        await talk(one, other)
        await asyncio.gather(*(bus.stop() for bus in buses))

    for certificates in (None, made):
        with redis_server(program, tmp_path / f"redis-{certificates is None}", certificates) as server:
            uvloop.run(play(server))


# Several endpoints, several worlds


@asynccontextmanager
async def two_servers(program: str, folder: Path) -> AsyncIterator[tuple[RedisServer, RedisServer]]:
    with redis_server(program, folder / "one") as one, redis_server(program, folder / "two") as two:
        yield one, two


async def test_two_endpoints_share_the_rooms_and_one_gone_takes_only_its_own(
    program: str, tmp_path: Path, join: Join
) -> None:
    async with two_servers(program, tmp_path) as (first, second):
        one, other = await join(first, second), await join(second, first)
        rooms = [f"room {number}" for number in range(200)]
        await subscribed(one, other, rooms=rooms)
        for room in rooms:
            one.bus.publish(frame(room, 1))
        await other.until(lambda arrived: len(arrived) == len(rooms))
        other.arrived.clear()
        await in_thread(first.kill)
        await asyncio.gather(one.until_well(well=False), other.until_well(well=False))
        for room in rooms:
            one.bus.publish(frame(room, 2))
        await other.until(lambda arrived: len(arrived) >= 60)
        await asyncio.sleep(0.2)
        assert 60 <= len(other.arrived) <= 140
        other.arrived.clear()
        await in_thread(first.start)
        await asyncio.gather(one.until_well(), other.until_well())
        for room in rooms:
            one.bus.publish(frame(room, 3))
        await other.until(lambda arrived: len(arrived) == len(rooms))


async def test_two_worlds_share_a_redis_and_hear_nothing_of_each_other(server: RedisServer, join: Join) -> None:
    one, other = await join(server, world="w1"), await join(server, world="w2")
    neighbour = await join(server, world="w1")
    await subscribed(one, other, neighbour)
    one.bus.publish(frame("room", 1))
    one.bus.publish(Alive(Life("one", 1)))
    await neighbour.gets(frame("room", 1), Alive(Life("one", 1)))
    await asyncio.sleep(0.1)
    assert other.arrived == []


# What others send


STRANGER = b"stranger"
HEAD = bytes([VERSION]) + STRANGER
BAD_FRAMES = {
    "malformed": [
        b"",
        b"x",
        bytes([VERSION]) + STRANGER,
        HEAD + b"\xc1",
        b"\x01" * 9 + b"\x93",
    ],
    "version": [bytes([VERSION + 1]) + STRANGER + b"\x92\x01\xa1x"],
    "unknown": [
        HEAD + b"\x92\xcd\x03\xe7\xa1x",  # a tag of a later version
        HEAD + b"\x92\x01\x05",  # a number for a room's name
        HEAD + b"\xc0",
    ],
    "too_large": [HEAD + b"x" * FRAME_MOST],
}


async def test_bad_frames_are_counted_and_harm_nobody(server: RedisServer, join: Join) -> None:
    metrics = Metrics()
    one, other = await join(server, world="w", metrics=metrics, node="one"), await join(server, world="w")
    await subscribed(one, other)
    for frames in BAD_FRAMES.values():
        for bad in frames:
            await in_thread(server.command, "SPUBLISH", "chat:w:room:room", bad)
            await in_thread(server.command, "SPUBLISH", "chat:w:all", bad)
    await talk(one, other)
    for reason, frames in BAD_FRAMES.items():
        assert dropped(metrics, reason) == 2 * len(frames), reason
    assert one.bus.healthy


async def test_a_message_with_fields_of_a_later_version_is_understood(server: RedisServer, join: Join) -> None:
    one = await join(server, world="w")
    await subscribed(one)
    known = encode(STRANGER, Hint("room", "typing", b"{}", "c"))
    later = known.replace(b"\x95", b"\x97", 1) + b"\x01\xa1x"
    assert later != known
    assert len(STRANGER) == SENDER_BYTES
    await in_thread(server.command, "SPUBLISH", "chat:w:room:room", later)
    await one.gets(Hint("room", "typing", b"{}", "c"))


async def test_a_message_that_cannot_be_handled_costs_only_itself(server: RedisServer, join: Join) -> None:
    one, other = await join(server), await join(server)
    await subscribed(one, other)

    def fail(message: Any) -> None:
        raise RuntimeError(f"a defect of ours: {message}")

    kept, one.bus._receive = one.bus._receive, fail
    with structlog.testing.capture_logs() as logs:
        other.bus.publish(frame("room", 1))
        await eventually(lambda: bool(logs))
    one.bus._receive = kept
    await talk(one, other)
    assert one.bus.healthy


async def test_the_lag_of_the_bus_is_measured(server: RedisServer, join: Join) -> None:
    metrics = Metrics()
    one = await join(server, metrics=metrics)
    lag = metrics.registry.get_sample_value("chat_bus_lag_seconds")
    assert lag is not None
    assert 0 < lag < PATIENCE_S
    await in_thread(server.kill)
    await one.until_well(well=False)
    await asyncio.sleep(1.0)
    lag = metrics.registry.get_sample_value("chat_bus_lag_seconds")
    assert lag is not None
    assert lag >= 1.0
    assert (metrics.registry.get_sample_value("chat_bus_connections_lost_total") or 0) >= 1


async def test_a_node_has_a_name_among_redis_s_clients(server: RedisServer, join: Join) -> None:
    await join(server, node="chat 1")
    listed = await in_thread(server.command, "CLIENT", "LIST")
    assert b" name=chat-service.chat_1 " in listed


def test_the_administrator_of_the_tests_is_another_user(server: RedisServer) -> None:
    with (
        redis.Redis(port=server.port, username=USER, password=server.password) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command("FLUSHALL")
