"""The load `idle`: clients that connect, sign in and say nothing."""

from __future__ import annotations

import asyncio

from bench.job import Job, Outcome
from bench.load.client import connect_all
from bench.load.meter import Meter

FIRST_CLIENTS = 50
"""They are not measured: the first connections bring memory that is taken only once."""


async def run(job: Job) -> Outcome:
    """Do the job."""
    lost = 0

    def client_lost() -> None:
        nonlocal lost
        lost += 1

    first = await connect_all(job, range(FIRST_CLIENTS))
    await asyncio.sleep(job.warm_up_s)
    meter = Meter(job.pid)
    before = meter.resident_bytes()
    meter.start()
    clients = await connect_all(job, range(job.clients))
    span = meter.span()
    for client in first + clients:
        client.lost = client_lost
    await asyncio.sleep(job.seconds)
    resident = meter.resident_bytes() - before
    return Outcome(
        figures={
            "kib_per_connection": resident / 1024 / job.clients,
            "connects_per_cpu_s": job.clients / span.server,
        },
        server_cpu=span.server_share,
        generator_cpu=span.generator_share,
        others_cpu=span.others_share,
        problems=[f"{lost} connections were closed"] if lost else [],
    )
