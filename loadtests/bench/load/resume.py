"""The load `resume`: clients that come back to a room and are given what they missed."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

from bench.job import Job, Outcome
from bench.load.client import PATIENCE_S, Client, connect_all
from bench.load.frames import TEXT_CHARS, WORDS
from bench.load.meter import Meter

if TYPE_CHECKING:
    from bench.load.client import Answer

ALONE = 20
"""Resumes measured one after the other."""

SENT_AT_ONCE = 100


async def run(job: Job) -> Outcome:
    """Do the job: `clients` resume at once, and before that some of them one by one."""
    (speaker,) = await connect_all(job, range(1))
    room = job.rooms[0]
    held = await speaker.call("room:open", {"room": room})
    await _say(speaker, room, job.missed)
    clients = await connect_all(job, range(job.clients))
    alone = []
    for client in clients[:ALONE]:
        alone.append(await _resume(client, job, held))
        await client.call("room:close", {"room": room})
    meter = Meter(job.pid)
    together = await asyncio.gather(*(_resume(client, job, held) for client in clients))
    span = meter.span()
    return Outcome(
        figures={
            "alone_ms": statistics.median(alone) * 1000,
            "together_p50_ms": statistics.median(together) * 1000,
            "together_all_ms": span.wall * 1000,
            "cpu_ms": span.server / job.clients * 1000,
        },
        server_cpu=span.server_share,
        generator_cpu=span.generator_share,
        others_cpu=span.others_share,
    )


async def _say(speaker: Client, room: str, count: int) -> None:
    text = WORDS[:TEXT_CHARS]
    for first in range(0, count, SENT_AT_ONCE):
        some = range(first, min(first + SENT_AT_ONCE, count))
        said = ({"room": room, "key": f"said-{number}", "body": {"text": text}} for number in some)
        await asyncio.gather(*(speaker.call("message:send", message) for message in said))


async def _resume(client: Client, job: Job, held: Answer) -> float:
    """Seconds from the first request to the page after which the client is live.

    Raises:
        RuntimeError: when it is given anything else than all that it missed.
    """
    began = time.perf_counter()
    answer, received = held, 0
    async with asyncio.timeout(PATIENCE_S):
        while True:
            place = {"after": answer.last_seq, "after_id": answer.last_id, "epoch": held.epoch}
            answer = await client.call("room:open", {"room": job.rooms[0], **place})
            received += len(answer.entries)
            if not answer.more:
                break
    took = time.perf_counter() - began
    if received != job.missed or answer.reset is not None:
        raise RuntimeError(f"{received} entries, expected {job.missed}; reset: {answer.reset is not None}")
    return took
