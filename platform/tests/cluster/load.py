"""Load from outside: people who talk through the Service while something is done, and what they noticed of it."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from chaos.clients.crowd import Size
from chaos.gathering import Gathering
from chaos.history import Opened
from chaos.machine import allow_many_files
from chaos.results import Result, result_of, summary

from cluster.release import Entrance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chaos.history import History

    from cluster.release import Release

EMBEDDED = Size(clients=60, people=8, rooms=4, rate=40)
ON_FERRETDB = Size(clients=24, people=6, rooms=3, rate=5)
"""Slow, because FerretDB reads whole collections."""

BEFORE_S, AFTER_S = 4.0, 5.0
PATIENCE_S = 90.0

TIMED = {"never lies", "presence", "bounded memory"}
"""Checks of promised times, which a small shared machine decides as much as the service: told, not asserted."""


class Noticed(msgspec.Struct, frozen=True):
    """What people noticed of something that was done to the chat."""

    about: str
    result: Result
    reconnects: int
    """How often a client's connection ended before the load did."""
    longest_gap_s: float
    """The longest that a client had no live room for."""
    longest_silence_s: float
    """The longest between two acknowledgements to anybody, while they wrote."""
    also: str = ""
    """What else was seen."""

    @property
    def broken(self) -> set[str]:
        """The checks that found something; `trouble` where it could not be judged."""
        return {one.check for one in self.result.found if one.count} | (
            {"trouble"} if self.result.trouble else set()
        )


async def under_load(
    release: Release,
    about: str,
    done: Callable[[Gathering], Awaitable[None]],
    seed: int = 1,
    size: Size | None = None,
) -> Noticed:
    """Have people talk, do something meanwhile, let them come to rest, and judge all that they were told."""
    allow_many_files()
    size = size or (EMBEDDED if release.mode == "embedded" else ON_FERRETDB)
    gathering = Gathering(Entrance(release), size, f"{seed} {about}", PATIENCE_S)
    crowd, began = gathering.crowd, time.monotonic()
    try:
        await crowd.gather(gathering.place.names)
        await crowd.connect()
        talking = time.monotonic()
        crowd.talk()
        await asyncio.sleep(BEFORE_S)
        async with gathering.injected(about):
            await done(gathering)
            # Pods that are to go still have people, whom they lead elsewhere when they drain.
            await release.kubectl.until("the pods are as many as they are to be", lambda: _is_at_rest(release))
        await asyncio.sleep(AFTER_S)
        silent = time.monotonic()
        await gathering.end()
    finally:
        await gathering.close()
    history = gathering.history
    world = f"{release.mode} mode on Kubernetes"
    result = result_of(about, seed, world, time.monotonic() - began, history, gathering.ending)
    noticed = Noticed(
        about=about,
        result=result,
        reconnects=sum(one.ended is not None and one.ended < silent for one in history.connections),
        longest_gap_s=_longest_gap(history),
        longest_silence_s=_longest_silence(history, talking, silent),
    )
    print(f"{summary(result)}\n  {noticed.reconnects} reconnects, longest gap {noticed.longest_gap_s:.1f} s")
    return noticed


def _is_at_rest(release: Release) -> bool:
    kubectl = release.kubectl
    return kubectl.is_at_rest("gateway", int(kubectl.get(release.workload)["spec"]["replicas"]))


def _longest_gap(history: History) -> float:
    """The longest from the end of a client's connection to the first room that is live on its next one."""
    opened: dict[str, list[float]] = {}
    for stream in history.streams.values():
        live = (step.at for step in stream.steps if isinstance(step, Opened) and step.live)
        opened.setdefault(stream.client, []).extend(live)
    gaps = [0.0]
    for connection in history.connections:
        if connection.ended is not None:
            later = [at for at in opened.get(connection.client, []) if at > connection.ended]
            gaps += [min(later) - connection.ended] if later else []
    return max(gaps)


def _longest_silence(history: History, begun: float, ended: float) -> float:
    acked = sorted(ack.at for one in history.operations for ack in one.acks if begun <= ack.at <= ended)
    return max(later - before for before, later in pairwise([begun, *acked, ended]))
