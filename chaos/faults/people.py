"""What people do to a room and to their node: they are removed and asked in again, and they stop reading."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

from chaos.history import Injection, Kind, MemoryUse, Operation

if TYPE_CHECKING:
    from chaos.clients.people import Person
    from chaos.scene import Scene

STUCK = 8
"""Clients that stop reading."""

_MIB = 1024 * 1024
GROWTH_BYTES = 48 * _MIB
"""How much a node may grow meanwhile: what the settings allow each that is stuck (4 MiB), caches and noise."""


async def removal(scene: Scene) -> None:
    """Remove people from rooms while everybody writes there, on any node, and ask half of them in again."""
    rooms = scene.chance.sample(scene.crowd.rooms, min(6, len(scene.crowd.rooms)))
    async with scene.injected("removal", "people are removed from rooms in use, some are asked in again"):
        await asyncio.gather(*(_remove_and_return(scene, room, number) for number, room in enumerate(rooms)))


async def _remove_and_return(scene: Scene, room: str, number: int) -> None:
    crowd = scene.crowd
    out = crowd.members[room][1 + number % (len(crowd.members[room]) - 1)]
    await asyncio.sleep(number * 0.3)
    await _change(scene, Kind.REMOVE, room, out)
    await asyncio.sleep(scene.chance.uniform(3.0, 5.0))
    if number % 2:
        await _change(scene, Kind.JOIN, room, out)
        for client in crowd.clients:
            if client.user == out.user and room in client.rooms:
                client.come_back_to(room)


async def _change(scene: Scene, kind: Kind, room: str, person: Person) -> None:
    key = f"{kind.value}.{secrets.token_hex(6)}"
    operation = Operation(kind, "owner", scene.crowd.owner.user, room, key, person=person.user)
    scene.history.operations.append(operation)
    await scene.rest.change_member(scene.some_node().name, scene.crowd.owner, operation)


async def stuck_readers(scene: Scene) -> None:
    """Have some clients stop reading while everybody writes long messages, and watch the nodes' memory."""
    stuck = scene.chance.sample(scene.crowd.clients, min(STUCK, len(scene.crowd.clients) // 4))
    before = {node.name: node.process.resident_bytes() for node in scene.world.nodes}
    most = dict(before)
    async with scene.injected("stuck readers", f"{len(stuck)} clients read nothing for 10 s"):
        for client in stuck:
            client.stop_reading()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for node in scene.world.nodes:
                most[node.name] = max(most[node.name], node.process.resident_bytes())
            await asyncio.sleep(0.2)
        for client in stuck:
            client.cut("stuck, and cut in the end")
    uses = (MemoryUse(name, before[name], most[name], GROWTH_BYTES) for name in before)
    scene.history.memory.extend(uses)


async def full_speed(scene: Scene) -> None:
    """Have everybody write as fast as they can: nodes race each other for every entry."""
    async with scene.injected("full speed", "every client writes whenever it may"):
        scene.crowd.pace = 20.0
        await asyncio.sleep(10)
        scene.crowd.pace = 1.0


async def nothing(scene: Scene) -> None:
    """Do nothing: promises that are broken without any fault are broken."""
    scene.history.injections.append(Injection("nothing", "", time.monotonic(), time.monotonic()))
    await asyncio.sleep(8)
