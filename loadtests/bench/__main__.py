"""The command: runs scenarios on both contestants in turn, and writes what came of it."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bench import report
from bench.contestants import Service, install_peer
from bench.job import Job
from bench.machine import allow_many_files, describe
from bench.processes import BenchError, generate
from bench.results import Results
from bench.scenarios import SCENARIOS, Scenario

if TYPE_CHECKING:
    from types import FrameType

    from bench.contestants import Contestant, Running
    from bench.scenarios import Load

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "bench"
PAGE = ROOT / "docs" / "reports" / "bench.md"
WARM_UP_S = 1.0


def main() -> int:
    """Run, and return the exit code."""
    options = _options()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _ended)
    try:
        return _bench(options)
    except BenchError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("bench: interrupted; everything that was started has ended\n")
        return 130


def _bench(options: Namespace) -> int:
    scenarios: list[Scenario] = options.only
    CACHE.mkdir(parents=True, exist_ok=True)
    allow_many_files()
    contestants: list[Contestant] = [Service(CACHE)]
    node = None
    if any(scenario.with_peer for scenario in scenarios):
        try:
            peer = install_peer(CACHE)
            contestants.append(peer)
            node = peer.version
        except BenchError as error:
            sys.stderr.write(f"!!! The peer is left out: {error}\n")
    facts = describe(CACHE, node)
    results = Results()
    for scenario in scenarios:
        for repeat in range(1, options.repeats + 1):
            for contestant in contestants if scenario.with_peer else contestants[:1]:
                sys.stderr.write(f"{scenario.name} {repeat}/{options.repeats}: {contestant.name}\n")
                _measure(contestant, scenario, options.seconds, results)
    given = " ".join(sys.argv[1:])
    command = f'make bench ARGS="{given}"' if given else "make bench"
    sys.stdout.write("\n" + report.text(results, scenarios, facts))
    (CACHE / "results.json").write_bytes(results.as_json(facts, command))
    sys.stderr.write(f"every repeat is in {(CACHE / 'results.json').relative_to(ROOT)}\n")
    if options.report:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(report.page(results, scenarios, facts, command))
        sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return 1 if results.problems() else 0


def _measure(contestant: Contestant, scenario: Scenario, seconds: float, results: Results) -> None:
    with contestant.running(scenario.loads) as running:
        for load in scenario.loads:
            results.add(load.name, contestant.name, generate(_job(load, running, seconds)))


def _job(load: Load, running: Running, seconds: float) -> Job:
    prepared = running.prepared[load.name]
    return Job(
        kind=load.kind,
        port=running.port,
        pid=running.pid,
        tokens=prepared.tokens,
        rooms=prepared.rooms,
        clients=load.clients,
        seconds=seconds,
        warm_up_s=WARM_UP_S,
        listening=load.listening,
        in_flight=load.in_flight,
        rate=load.rate,
        missed=load.missed,
    )


def _options() -> Namespace:
    parser = ArgumentParser("make bench ARGS=…", description=__doc__, allow_abbrev=False)
    names = ",".join(scenario.name for scenario in SCENARIOS)
    parser.add_argument("--only", type=_scenarios, default=list(SCENARIOS), help=f"some of {names}")
    parser.add_argument("--seconds", type=_seconds, default=3.0, help="measured time of a load (3)")
    parser.add_argument("--repeats", type=_repeats, default=3, help="how often each scenario is run (3)")
    parser.add_argument("--report", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    return parser.parse_args()


def _scenarios(names: str) -> list[Scenario]:
    known = {scenario.name: scenario for scenario in SCENARIOS}
    asked = names.split(",")
    if not known.keys() >= set(asked):
        raise ArgumentTypeError(f"expected some of {','.join(known)}, got {names}")
    return [scenario for name, scenario in known.items() if name in asked]


def _seconds(told: str) -> float:
    seconds = float(told)
    if not 0 < seconds <= 300:
        raise ArgumentTypeError(f"expected up to 300 seconds, got {told}")
    return seconds


def _repeats(told: str) -> int:
    repeats = int(told)
    if not 1 <= repeats <= 100:
        raise ArgumentTypeError(f"expected 1 to 100 repeats, got {told}")
    return repeats


def _ended(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave through every `finally`, so that nothing we started outlives us."""
    raise SystemExit(128 + number)


sys.exit(main())
