"""A restore: the embedded store is put back from an older copy, and clients hold what is not there any more."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from chaos.servers.link import State
from chaos.servers.process import ServerError

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.scene import Scene
    from chaos.servers.node import Node

DATABASE = "chat.db"
LOST_S = 2.0
"""For how long is written what the copy lacks."""


async def older_copy(scene: Scene) -> None:
    """Copy the store while it is written to, go on for a while, and put the copy back in its place.

    The log as it was is read before, for judging what clients were shown of it.
    """
    node = scene.world.nodes[0]
    copy = node.data_dir / "copy.db"
    async with scene.injected("restore", "from a copy some seconds old"):
        copied = time.monotonic()
        await asyncio.to_thread(_copy, node.data_dir / DATABASE, copy)
        await asyncio.sleep(LOST_S)
        await scene.crowd.fall_silent()
        await scene.crowd.settled(30)
        # What is repeated seconds later must not come between the reading of the logs and their end.
        line = scene.world.client_links[node.name]
        line.become(State.CUT)
        for room in scene.crowd.rooms:
            log, epoch = await scene.rest.log(node.name, scene.crowd.owner, room)
            scene.ending.former[room, epoch] = log
        await node.process.kill()
        _put_back(copy, node.data_dir)
        await asyncio.to_thread(_say_so, node)
        scene.ending.voided = copied, time.monotonic()
        node.start()
        await node.ready()
        line.become(State.OPEN)
    scene.crowd.talk()


def _copy(database: Path, copy: Path) -> None:
    source, target = sqlite3.connect(database), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()


def _put_back(copy: Path, data_dir: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (data_dir / (DATABASE + suffix)).unlink(missing_ok=True)
    (data_dir / DATABASE).write_bytes(copy.read_bytes())


def _say_so(node: Node) -> None:
    command = [sys.executable, "-m", "chat_service.cli", "admin", "restored"]
    said = subprocess.run(command, env=node.environment(), capture_output=True, text=True, check=False, timeout=60)
    if said.returncode:
        raise ServerError(f"`admin restored` failed: {said.stderr[-500:]}")
