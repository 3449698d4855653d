"""What every bus must do between two nodes. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from chat_service.bus import (
    Alive,
    Appended,
    Attendance,
    AttendanceWanted,
    Attended,
    Hint,
    Item,
    Life,
    Message,
    PersonalEvent,
    Present,
    RoomChanged,
    RoomFrame,
    RoomReport,
    WhoAttends,
)
from chat_service.bus.redis import RedisBus
from chat_service.observability.metrics import Metrics
from rooms.node_bus import NodeBus
from servers.bus_station import Station
from servers.redis_server import RedisServer, redis_server

ANN = Present("u1", "Ann")
A, B = Life("a", 1), Life("b", 2)
ITEM = Item(7, "i7", 1_700_000_000_000, b'{"seq":7}', changes_access=True)


Stations = tuple[Station, Station]


@asynccontextmanager
async def local(server: RedisServer | None) -> AsyncIterator[Stations]:
    del server
    ends: list[NodeBus] = []
    stations = Station("a", NodeBus(ends, node="a")), Station("b", NodeBus(ends, node="b"))
    yield stations
    for station in stations:
        await station.bus.stop()


@asynccontextmanager
async def on_redis(server: RedisServer | None) -> AsyncIterator[Stations]:
    assert server is not None
    world = secrets.token_hex(8)
    one, other = (
        Station(name, RedisBus(lambda: [server.endpoint], node=name, world=world, metrics=Metrics()))
        for name in "ab"
    )
    for station in (one, other):
        await station.bus.start()
        assert station.bus.healthy
    yield one, other
    for station in (one, other):
        await station.bus.stop()


ADAPTERS: dict[str, Callable[[RedisServer | None], AbstractAsyncContextManager[Stations]]] = {
    "local": local,
    "redis": on_redis,
}


@pytest.fixture(scope="module")
def server(require: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(require("redis-server"), tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Stations]:
    """The bus as two nodes have it."""
    server = request.getfixturevalue("server") if request.param == "redis" else None
    async with ADAPTERS[request.param](server) as stations:
        yield stations


def frame(room: str, *seqs: int, text: bytes = b"{}") -> RoomFrame:
    return RoomFrame(room, "epoch", tuple(Item(seq, f"i{seq}", 1, text) for seq in seqs))


EVERY_KIND: tuple[Message, ...] = (
    RoomFrame("room", "epoch", (ITEM, frame("room", 8).items[0])),
    Hint("room", "typing", b'{"on":true}', "connection"),
    RoomChanged("room", ("u1", "u2"), True, 9),
    Appended("a", {"room": RoomReport(4, {"u1": 2}, {"u2": 1})}),
    PersonalEvent("u1", "read", "ü".encode()),
    Attendance("room", A, 4, (ANN, Present("u2")), 1, 15.0),
    Attended("room", A, 5, 4, ANN, True, 2),
    WhoAttends("room", A),
    AttendanceWanted("b", "a", "room"),
    Alive(B, leaving=True),
)


async def test_every_kind_of_message_arrives_as_it_was_sent(pair: Stations) -> None:
    one, other = pair
    await other.bus.subscribe("room")
    for message in EVERY_KIND:
        one.bus.publish(message)
    await other.gets(*EVERY_KIND)


async def test_what_is_for_a_room_reaches_its_subscribers_only(pair: Stations) -> None:
    one, other = pair
    await one.bus.subscribe("here")
    await other.bus.subscribe("there")
    for room in ("here", "there", "nowhere"):
        one.bus.publish(frame(room, 1))
        other.bus.publish(frame(room, 2))
    await one.reaches(other)
    await other.reaches(one)
    assert sorted(m.items[0].seq for m in one.arrived if isinstance(m, RoomFrame) and m.room == "here") == [1, 2]
    assert sorted(m.items[0].seq for m in other.arrived if isinstance(m, RoomFrame) and m.room == "there") == [
        1,
        2,
    ]
    assert len(one.arrived) == len(other.arrived) == 2


async def test_a_node_hears_itself_once(pair: Stations) -> None:
    one, other = pair
    await one.bus.subscribe("room")
    sent: list[Message] = [frame("room", 1), Alive(A), Hint("room", "typing", b"{}")]
    for message in sent:
        one.bus.publish(message)
    await one.reaches(other)
    await other.reaches(one)
    assert one.arrived == sent


async def test_what_is_for_one_node_reaches_that_node_only(pair: Stations) -> None:
    one, other = pair
    for to in ("a", "b", "c"):
        one.bus.publish(AttendanceWanted(to, "a"))
    await one.reaches(other)
    await other.reaches(one)
    assert one.arrived == [AttendanceWanted("a", "a")]
    assert other.arrived == [AttendanceWanted("b", "a")]


async def test_a_room_that_is_given_up_is_not_heard_of(pair: Stations) -> None:
    one, other = pair
    for _ in range(3):
        await other.bus.subscribe("room")
        one.bus.publish(frame("room", 1))
        await other.gets(frame("room", 1))
        await other.bus.unsubscribe("room")
        one.bus.publish(frame("room", 2))
        await one.reaches(other)
        assert other.arrived == []


async def test_a_subscription_stands_when_subscribe_returns(pair: Stations) -> None:
    one, other = pair
    rooms = [f"room {number}" for number in range(1500)]

    async def follow(room: str) -> None:
        await other.bus.subscribe(room)
        one.bus.publish(frame(room, 1))

    await asyncio.gather(*map(follow, rooms))
    await one.reaches(other)
    assert {message.room for message in other.arrived if isinstance(message, RoomFrame)} == set(rooms)


async def test_messages_keep_their_order_where_nothing_goes_wrong(pair: Stations) -> None:
    one, other = pair
    await other.bus.subscribe("room")
    sent = [frame("room", seq) for seq in range(1, 2001)]
    for message in sent:
        one.bus.publish(message)
    await other.gets(*sent)


async def test_a_batch_of_long_entries_arrives_whole(pair: Stations) -> None:
    one, other = pair
    await other.bus.subscribe("room")
    one.bus.publish(frame("room", *range(1, 101), text=b"x" * 60_000))
    await one.reaches(other)
    frames = [message for message in other.arrived if isinstance(message, RoomFrame)]
    assert [item.seq for message in frames for item in message.items] == list(range(1, 101))
    assert all(len(item.wire) == 60_000 for message in frames for item in message.items)


async def test_nothing_arrives_once_a_bus_has_stopped(pair: Stations) -> None:
    one, other = pair
    await other.bus.subscribe("room")
    await other.bus.stop()
    one.bus.publish(frame("room", 1))
    other.bus.publish(frame("room", 2))
    await asyncio.sleep(0.05)
    assert other.arrived == []
