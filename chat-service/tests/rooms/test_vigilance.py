"""Watching over delivery: what makes a node look closely at the log, and what it makes up for afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

from chat_service.bus.local import LocalBus
from chat_service.directory.nodes import NodeRow
from chat_service.model.entries import Kind
from chat_service.model.errors import unavailable
from chat_service.rooms.vigilance import (
    AFTER_DEATH_S,
    BEAT_S,
    CALM_S,
    DEAD_AFTER_S,
    HEAL_S,
    LOOK_S,
    WARY_S,
    Vigilance,
)

from .entries import BOB, ROOM, entry
from .one_node import OneNode, one_node
from .virtual_time import played, virtual_loop

FAR_FUTURE_MS = 4_000_000_000_000


class MemoryNodes:
    """`NodeDirectory` on a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, NodeRow] = {}
        self.away = False

    def _reach(self) -> None:
        if self.away:
            raise unavailable("The store cannot be reached now.")

    async def beat(self, node: str, now_ms: int, *, bus_healthy: bool) -> None:
        """See NodeDirectory."""
        self._reach()
        self.rows[node] = NodeRow(node=node, seen=now_ms, bus_healthy=bus_healthy)

    async def leave(self, node: str) -> None:
        """See NodeDirectory."""
        self._reach()
        row = self.rows[node]
        self.rows[node] = NodeRow(node=node, seen=row.seen, bus_healthy=row.bus_healthy, left=True)

    async def peers(self, since_ms: int) -> list[NodeRow]:
        """See NodeDirectory."""
        self._reach()
        return [row for row in self.rows.values() if row.seen >= since_ms]

    async def prune(self, before_ms: int) -> int:
        """See NodeDirectory."""
        self._reach()
        old = [node for node, row in self.rows.items() if row.seen < before_ms]
        for node in old:
            del self.rows[node]
        return len(old)


class FlakyBus(LocalBus):
    """A bus whose health the test decides."""

    def __init__(self) -> None:
        super().__init__()
        self._changed: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """See Bus."""
        self._changed.append(changed)

    def become(self, *, healthy: bool) -> None:
        """Be lost, or come back."""
        self.healthy = healthy
        for changed in self._changed:
            changed()


class Watch:
    """A node's vigilance among peers that the test speaks for, and when it did what."""

    def __init__(self, bus: FlakyBus, nodes: MemoryNodes) -> None:
        self.bus = bus
        self.nodes = nodes
        self.checked: list[float] = []
        self.healed: list[float] = []
        self.clock_ms = 1_800_000_000_000
        self.vigilance = Vigilance(
            bus, nodes, "A", clock_ms=self._now_ms, check_tails=self._check, heals=[self._heal]
        )
        self._speaking: dict[str, asyncio.Task[None]] = {}

    def _now_ms(self) -> int:
        return self.clock_ms + int(virtual_loop().time() * 1000)

    async def _check(self) -> None:
        self.checked.append(virtual_loop().time())

    async def _heal(self) -> None:
        self.healed.append(virtual_loop().time())

    def speak(self, node: str, *, bus_healthy: bool = True, clock_ms: int = 1_800_000_000_000) -> None:
        """Have a peer say that it is there, from now on."""
        self.fall_silent(node)

        async def beat() -> None:
            while True:
                now_ms = clock_ms + int(virtual_loop().time() * 1000)
                self.nodes.rows[node] = NodeRow(node=node, seen=now_ms, bus_healthy=bus_healthy)
                await asyncio.sleep(BEAT_S)

        self._speaking[node] = asyncio.get_running_loop().create_task(beat())

    def fall_silent(self, node: str) -> None:
        """Have a peer die."""
        if node in self._speaking:
            self._speaking.pop(node).cancel()

    def gaps(self, since: float) -> list[float]:
        """The seconds between the checks since then, and from then to the first."""
        times = [since, *(at for at in self.checked if at > since)]
        return [round(after - before, 3) for before, after in pairwise(times)]


@asynccontextmanager
async def watch() -> AsyncIterator[Watch]:
    it = Watch(FlakyBus(), MemoryNodes())
    await it.vigilance.start()
    yield it
    await it.vigilance.stop()
    for node in list(it._speaking):
        it.fall_silent(node)


@played
async def test_while_all_is_well_rooms_are_compared_with_the_log_now_and_then() -> None:
    async with watch() as it:
        it.speak("B")
        began = virtual_loop().time()
        await asyncio.sleep(61)
        assert it.gaps(began) == [CALM_S] * 4
        assert it.healed == []
        assert it.vigilance.is_live("B")
        assert not it.vigilance.is_live("C")


@played
async def test_a_bus_that_is_lost_is_made_up_for_at_once_and_as_long_as_it_is_away() -> None:
    async with watch() as it:
        await asyncio.sleep(20)
        lost = virtual_loop().time()
        it.bus.become(healthy=False)
        await asyncio.sleep(11)
        assert it.gaps(lost) == [WARY_S] * 5
        assert lost in it.checked, "at once"
        assert it.nodes.rows["A"].bus_healthy is False, "and the others are told"
        back = virtual_loop().time()
        it.bus.become(healthy=True)
        await asyncio.sleep(WARY_S + 0.1)
        assert back in it.checked, "what came between losing it and subscribing again"
        assert [at for at in it.healed if at > back]
        await asyncio.sleep(60)
        assert max(it.gaps(back)) == CALM_S


@played
async def test_a_peer_that_has_lost_its_bus_makes_the_others_look() -> None:
    """It appends, and cannot tell anybody."""
    async with watch() as it:
        it.speak("B")
        await asyncio.sleep(20)
        told = virtual_loop().time()
        it.speak("B", bus_healthy=False)
        await asyncio.sleep(10)
        assert it.gaps(told)[0] <= LOOK_S + 0.1
        assert max(it.gaps(told)[1:]) == WARY_S
        it.speak("B")
        calm = virtual_loop().time() + LOOK_S
        await asyncio.sleep(50)
        assert max(it.gaps(calm)) == CALM_S


@played
async def test_a_peer_that_died_may_have_left_something_unsaid() -> None:
    async with watch() as it:
        it.speak("B")
        await asyncio.sleep(20)
        it.fall_silent("B")
        await asyncio.sleep(DEAD_AFTER_S + LOOK_S + BEAT_S)
        dead = virtual_loop().time()
        assert not it.vigilance.is_live("B")
        assert it.vigilance.wary
        await asyncio.sleep(15)
        assert max(it.gaps(dead)) == WARY_S
        assert len(it.healed) == 1, "what it left undone: projections, redactions, its part of the index"
        await asyncio.sleep(AFTER_DEATH_S)
        assert not it.vigilance.wary


@played
async def test_a_peer_that_left_has_left_nothing() -> None:
    async with watch() as it:
        it.speak("B")
        await asyncio.sleep(5)
        it.fall_silent("B")
        await it.nodes.leave("B")
        await asyncio.sleep(20)
        assert not it.vigilance.is_live("B")
        assert not it.vigilance.wary
        assert it.healed == []


@played
async def test_who_died_long_before_this_node_started_is_not_mourned() -> None:
    it = Watch(FlakyBus(), MemoryNodes())
    it.nodes.rows["B"] = NodeRow(node="B", seen=1_700_000_000_000, bus_healthy=False)
    await it.vigilance.start()
    await asyncio.sleep(30)
    assert not it.vigilance.wary
    assert it.healed == []
    await it.vigilance.stop()


@played
async def test_clocks_that_are_wrong_or_jump_make_nobody_dead() -> None:
    """A peer's clock is years ahead, and this node's jumps back and forth: only silence counts."""
    async with watch() as it:
        it.speak("B", clock_ms=FAR_FUTURE_MS)
        for jump in (0, -86_400_000, 365 * 86_400_000, -1):
            it.clock_ms = 1_800_000_000_000 + jump
            await asyncio.sleep(10)
            assert it.vigilance.is_live("B")
        assert not it.vigilance.wary
        it.fall_silent("B")
        await asyncio.sleep(DEAD_AFTER_S + LOOK_S + BEAT_S)
        assert not it.vigilance.is_live("B")


@played
async def test_a_store_that_comes_back_is_looked_at_at_once() -> None:
    async with watch() as it:
        it.speak("B")
        await asyncio.sleep(16)
        it.nodes.away = True
        await asyncio.sleep(5)
        assert it.vigilance.is_live("B"), "what is not known to be dead is there"
        it.nodes.away = False
        back = virtual_loop().time()
        await asyncio.sleep(LOOK_S + 0.1)
        assert it.gaps(back)


@played
async def test_leaving_is_said() -> None:
    async with watch() as it:
        await asyncio.sleep(1)
    assert it.nodes.rows["A"].left


@played
async def test_what_heals_is_tried_until_it_succeeds() -> None:
    it = Watch(FlakyBus(), MemoryNodes())
    tries = []

    async def fails_once() -> None:
        tries.append(virtual_loop().time())
        if len(tries) == 1:
            raise unavailable("The store cannot be reached now.")

    it.vigilance._heals = [fails_once]
    await it.vigilance.start()
    it.bus.become(healthy=False)
    it.bus.become(healthy=True)
    await asyncio.sleep(3 * HEAL_S)
    assert len(tries) == 2
    await it.vigilance.stop()


# With the real delivery


def watch_over(node: OneNode, bus: FlakyBus) -> Vigilance:
    return Vigilance(
        bus,
        MemoryNodes(),
        "A",
        clock_ms=lambda: 0,
        check_tails=node.rooms.delivery.check_tails,
        heals=[node.rooms.heal],
    )


@played
async def test_what_other_nodes_append_while_the_bus_is_away_arrives_within_three_seconds() -> None:
    bus = FlakyBus()
    async with one_node(bus=bus) as node:
        vigilance = watch_over(node, bus)
        await vigilance.start()
        await node.open(reader := node.reader(BOB))
        bus.become(healthy=False)
        for seq in range(7, 20):
            node.elsewhere(entry(seq))
            await asyncio.sleep(2.9)
            assert reader.seqs() == list(range(7, seq + 1))
            await asyncio.sleep(0.3)
        await vigilance.stop()


@played
async def test_what_was_not_heard_of_is_made_up_for() -> None:
    """While the bus was away another node removed Bob, and died before it had projected that."""
    bus = FlakyBus()
    async with one_node(bus=bus) as node:
        vigilance = watch_over(node, bus)
        await vigilance.start()
        await node.rooms.connect(bob := node.reader(BOB))
        writer = await node.rooms.active.load(ROOM)
        bus.become(healthy=False)
        node.elsewhere(entry(7, Kind.LEAVE, {"user": BOB}))
        bus.become(healthy=True)
        await asyncio.sleep(2 * WARY_S)
        assert BOB not in writer.state.members, "whoever was removed reads no longer, over REST either"
        assert [row.room for row in await node.directory.rooms_of(BOB)] == []
        assert bob.events("rooms")[-1] == {"room": ROOM, "member": False, "view": None}
        await vigilance.stop()
