"""The generator's process: a job on stdin, its outcome on stdout."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import msgspec
import uvloop

from bench.job import Job, Kind, Outcome
from bench.load import acks, fanout, idle, resume

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOADS: dict[Kind, Callable[[Job], Awaitable[Outcome]]] = {
    "acks": acks.run,
    "fanout": fanout.run_closed,
    "paced": fanout.run_paced,
    "idle": idle.run,
    "resume": resume.run,
}


async def _run(job: Job) -> Outcome:
    return await LOADS[job.kind](job)


def main() -> None:
    """Do the job."""
    # Nothing here makes cycles worth collecting, and a collection would delay what is being timed.
    gc.disable()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_run(job))))


main()
