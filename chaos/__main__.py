"""The command: runs rounds, says what came of each, and writes the report."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop

from chaos import report, results
from chaos.clients.crowd import Size
from chaos.machine import allow_many_files
from chaos.rounds import ROUNDS, Round
from chaos.run import Scale, run

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from chaos.results import Result

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".cache" / "chaos" / "results.json"
PAGE = ROOT / "docs" / "reports" / "chaos.md"


def main() -> int:
    """Run, and return the exit code: 1 where a promise was broken."""
    options = _options()
    allow_many_files()
    kept = results.read(KEPT) if options.again else []
    for repeat in range(options.repeats):
        for experiment in options.round:
            seed = options.seed + repeat
            sys.stderr.write(f"{experiment.name} --seed {seed} ...\n")
            result = uvloop.run(_until_told_to_end(run(experiment, seed, _scale(options))))
            sys.stdout.write(results.summary(result) + "\n")
            sys.stdout.flush()
            kept = results.replaced(kept, msgspec.structs.replace(result, command=_command()))
            results.write(KEPT, kept)
    if options.report:
        report.write(PAGE, kept, ROUNDS)
        sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    broken = [one for one in kept if not one.kept]
    sys.stdout.write(
        f"{len(kept)} rounds, {sum(one.acked for one in kept)} acknowledged, {len(broken)} not kept\n"
    )
    return 1 if broken else 0


def _command() -> str:
    given = " ".join(sys.argv[1:])
    return f'make chaos ARGS="{given}"' if given else "make chaos"


def _scale(options: Namespace) -> Scale:
    size = replace(Size(), clients=options.clients, rate=options.rate)
    if options.clients < 100:
        size = replace(size, people=8, rooms=4)
    return Scale(size, before_s=options.before, after_s=options.after, alone=options.alone, store=options.store)


def _options() -> Namespace:
    parser = ArgumentParser("make chaos ARGS=…", description=__doc__, allow_abbrev=False)
    names = ",".join(one.name for one in ROUNDS)
    parser.add_argument("--round", type=_rounds, help=f"some of {names}")
    parser.add_argument("--seed", type=int, help="what everything random is made of (any)")
    parser.add_argument("--repeats", type=int, default=1, help="how often, each with the next seed (1)")
    parser.add_argument("--clients", type=int, default=300, help="how many clients (300)")
    parser.add_argument("--rate", type=float, default=120.0, help="writes a second of all together (120)")
    parser.add_argument("--before", type=float, default=4.0, help="seconds of load before the fault (4)")
    parser.add_argument("--after", type=float, default=6.0, help="seconds of load after it (6)")
    parser.add_argument("--alone", action="store_true", help="one node on the embedded store: fewer rounds")
    parser.add_argument(
        "--report",
        action="store_true",
        help=f"write {PAGE.relative_to(ROOT)} (done anyway where all rounds are run)",
    )
    parser.add_argument("--store", default="", help="what the server at CHAT_TEST_MONGODB_URI is, for the report")
    parser.add_argument("--again", action="store_true", help="add to the last results, or take their place")
    options = parser.parse_args()
    options.report = options.report or options.round is None
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    chosen = options.round or list(ROUNDS)
    given = bool(os.environ.get("CHAT_TEST_MONGODB_URI"))
    options.round = [one for one in chosen if (one.alone or not options.alone) and not (one.kills_store and given)]
    return options


def _rounds(names: str) -> list[Round]:
    known = {one.name: one for one in ROUNDS}
    asked = names.split(",")
    if not known.keys() >= set(asked):
        raise ArgumentTypeError(f"expected some of {','.join(known)}, got {names}")
    return [known[name] for name in asked]


async def _until_told_to_end(work: Coroutine[object, object, Result]) -> Result:
    """Do the work; on SIGTERM leave through every `finally`, so that nothing we started outlives us."""
    task = asyncio.ensure_future(work)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    return await task


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("chaos: interrupted; everything that was started has ended\n")
        sys.exit(130)
