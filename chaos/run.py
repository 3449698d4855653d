"""Runs one round: a fresh world, a crowd that talks, the fault under load, and the verdict."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.clients.crowd import Size
from chaos.clients.people import NotAnsweredError
from chaos.gathering import PATIENCE_S
from chaos.history import Ending, History
from chaos.results import Result, result_of
from chaos.scene import Scene
from chaos.servers.mongodb import store_kind
from chaos.servers.process import ServerError
from chaos.world import World

if TYPE_CHECKING:
    from chaos.rounds import Round

ROUND_S = 300.0
"""A round that takes longer has hung."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a round is: the crowd, and for how long it talks before and after the fault (seconds).

    `patience_s` is how long everything may take to come to rest in the end.

    With `alone` the world is one node on the embedded store. `store` is what a server that is not ours is called.
    """

    size: Size = field(default_factory=Size)
    before_s: float = 4.0
    after_s: float = 6.0
    patience_s: float = PATIENCE_S
    alone: bool = False
    store: str = ""


async def run(experiment: Round, seed: int, scale: Scale) -> Result:
    """Run a round. It is judged where it came to its end; else the result says what the trouble was."""
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{experiment.name}-"))
    began = time.monotonic()
    history, ending, trouble = History(), Ending(), ""
    try:
        async with asyncio.timeout(ROUND_S):
            history, ending = await play(experiment, seed, scale, folder)
    except (ServerError, NotAnsweredError, TimeoutError) as problem:
        trouble = f"{type(problem).__name__}: {problem}; the servers' logs are in {folder}"
    result = result_of(
        experiment.name,
        seed,
        _world(experiment, scale),
        time.monotonic() - began,
        history,
        ending,
        trouble,
    )
    if result.kept:
        shutil.rmtree(folder)
    return result


async def play(experiment: Round, seed: int, scale: Scale, folder: Path) -> tuple[History, Ending]:
    """Play a round and give what was recorded."""
    shape, size = experiment.shape, scale.size
    if _is_alone(experiment, scale):
        shape = replace(shape, nodes=1, shared=False, far_s={})
    if experiment.rooms is not None:
        size = replace(size, rooms=experiment.rooms, rooms_each=1, clients=size.clients // 2)
    world = World(shape, folder)
    scene = Scene(world, size, f"{seed} {experiment.name}", scale.patience_s)
    try:
        await world.start()
        await scene.crowd.gather(world.names)
        await scene.crowd.connect()
        scene.crowd.talk()
        await asyncio.sleep(scale.before_s)
        await experiment.fault(scene)
        await asyncio.sleep(scale.after_s)
        await scene.end()
    finally:
        await scene.close()
        await world.stop()
    return scene.history, scene.ending


def _is_alone(experiment: Round, scale: Scale) -> bool:
    return scale.alone or not experiment.shared


def _world(experiment: Round, scale: Scale) -> str:
    """What the world is, for a reader."""
    if _is_alone(experiment, scale):
        return "one node on the embedded store"
    return f"{experiment.shape.nodes} nodes on Redis and {store_kind(scale.store)}"
