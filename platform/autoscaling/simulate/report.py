"""The page of the simulation, docs/reports/autoscaling.md, and its plots."""

from __future__ import annotations

from collections.abc import Sequence

from simulate import plot
from simulate.parameters import Direction, Scaling
from simulate.recorded import Costs, RealScaling, Talk
from simulate.run import Seen

_HOW = """
## How to read it

*Wanted* is what the autoscaler decided, *serving* what takes people, *draining* what was asked to leave and
still holds some. *Cut* are connections that ended because their pod was killed before it had closed them:
scale-in must never have any. *Late* is the latest that the p95 of a delivery was in any second. *Asked by* says in
which part of the time that more than the fewest gateways were wanted each trigger wanted the most.

The rules are those of the HorizontalPodAutoscaler (ratio, tolerance of 10 %, stabilisation, policies, a look every
15 s) and of KEDA (failures and fallback); every number of them comes from the rendered chart. What a connection, a
message and a return cost comes from [bench.md](bench.md), how people write from the plot of [chaos.md](chaos.md),
how soon they are back after a lost pod from [cluster.md](cluster.md).

How many people there are at what time is made up: nobody has recorded an office yet. Nobody loses a connection
but for the reasons named; in a real office people close and open their machines, which spreads them better. A pod
serves 12 s after it is made; where a node has to be bought first it is a minute or two, and the gateways that are
there fill up further meanwhile. The store and Redis are taken to keep up.

## What follows

- **Scale-in waits for drains.** The next gateway is asked to go only when the one before must have ended, so never
  more than one drains, and who has just moved is not moved again by the next one.
- **Connections decide on ordinary days**, and a gateway holds more than its target after a rise, up to its limit:
  people who are there stay where they are, and only newcomers reach the new ones. The distance between target and
  limit is for that.
- **After a storm the delivery trigger asks for too much.** Everybody comes back at once, messages wait behind what
  those who come back read, and by the time that new gateways serve most of it is over. They go again one by one,
  which costs gateway hours and no connections. Smaller steps would be too slow for the spike.
- **Without metrics nothing goes.** The tier stays as large as it was and shrinks once Prometheus is back.
"""


def page(runs: Sequence[Seen], scaling: Scaling, costs: Costs, talk: Talk, real: RealScaling, of: str) -> str:
    """The page as text."""
    parts = [
        "# What autoscaling does with a day",
        "Written by `make simulate`; by hand nothing is changed here. "
        "[platform/autoscaling](../../platform/autoscaling/README.md) says how it is made.",
        f"**{len(runs)} loads, {sum(len(one.left) for one in runs)} gateways drained by scale-in,"
        f" {sum(one.cut for one in runs):.0f} connections cut; at most"
        f" {max(max(one.draining) for one in runs)} gateway drained at a time.**",
        _table(runs, scaling),
        *(_section(one) for one in runs),
        "## What it was given",
        f"The chart as it is installed in {of}:",
        _parameters(scaling),
        "Recorded:",
        _recorded(costs, talk),
        "## Checked against a real run",
        _real(real),
        _HOW.strip(),
    ]
    return "\n\n".join(parts) + "\n"


def plots(runs: Sequence[Seen], scaling: Scaling) -> dict[str, str]:
    """The plots by the names of their files."""
    return {_file(one): plot.svg(one, scaling) for one in runs}


def _file(seen: Seen) -> str:
    return f"{seen.day.name.replace(' ', '-')}.svg"


def _section(seen: Seen) -> str:
    about = seen.day.about[0].upper() + seen.day.about[1:]
    plotted = f"![Gateways and connections over time](autoscaling/{_file(seen)})"
    return f"## {seen.day.name.capitalize()}\n\n{about}.\n\n{plotted}"


def _table(runs: Sequence[Seen], scaling: Scaling) -> str:
    head = "load, people, gateways, drained, at a time, longest drain, cut, fullest gateway, waiting outside, late"
    columns = [*head.split(", "), "asked by"]
    rows = [columns, ["---"] * len(columns), *(_row(one, scaling) for one in runs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(seen: Seen, scaling: Scaling) -> list[str]:
    asked = sum(seen.asked.values()) or 1
    return [
        seen.day.name,
        f"{min(seen.people):,.0f} to {max(seen.people):,.0f}",
        f"{min(seen.replicas)} to {max(seen.replicas)}",
        str(len(seen.left)),
        str(max(seen.draining)),
        f"{seen.longest_drain_s} s of {scaling.drain.grace_s}",
        f"{seen.cut:.0f}",
        f"{max(seen.fullest):,.0f}",
        f"{max(seen.outside):,.0f}",
        f"{max(seen.delivery) * 1000:,.0f} ms",
        ", ".join(f"{name} {share * 100 // asked} %" for name, share in seen.asked.items()) or "nothing",
    ]


def _parameters(scaling: Scaling) -> str:
    triggers = "; ".join(f"{one.name} {one.kind} {one.target:g}" for one in scaling.triggers)
    drain = scaling.drain
    rows = {
        "gateways": f"{scaling.least} to {scaling.most}, of {scaling.most_connections:,} connections at most",
        "triggers": triggers,
        "scale-out": _told(scaling.up),
        "scale-in": _told(scaling.down),
        "without metrics": f"after {scaling.fallback.failures} failures {scaling.fallback.behavior},"
        f" {scaling.fallback.replicas} at least",
        "drain": f"closes from {drain.close_from_s} to {drain.closed_s} s, killed at {drain.grace_s} s",
        "metrics": f"every {scaling.scrape_s} s",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _told(direction: Direction) -> str:
    policies = ", ".join(f"{one.value} {one.kind} in {one.period_s} s" for one in direction.policies)
    return f"{policies}, after {direction.window_s} s"


def _recorded(costs: Costs, talk: Talk) -> str:
    rows = {
        "a connection opens": f"{costs.open_s * 1000:.2f} ms of CPU",
        "a client comes back after 1,000 entries": f"{costs.resume_s * 1000:.2f} ms of CPU",
        "a message is stored": f"{costs.store_s * 1000:.3f} ms of CPU",
        "a message to one reader": f"{costs.deliver_s * 1e6:.1f} us of CPU",
        "delivery, p95, with time": f"{costs.delivery_p95_s * 1000:.1f} ms",
        "readers of a message": f"{talk.readers:.0f}",
        "messages in half a second": f"{min(talk.rates):.2f} to {max(talk.rates):.2f} times the mean",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _real(real: RealScaling) -> str:
    ready, left = (
        ", ".join(f"{size} after {after:g} s" for size, after in sizes.items())
        for sizes in (real.ready_after_s, real.left_after_s)
    )
    second, third, fourth = (real.ready_after_s[size] for size in (2, 3, 4))
    return (
        f"On a real cluster ({real.clients} clients, one gateway for 20, one at first) gateways were ready so:\n"
        f"{ready}. The model decides 2 at once, and 4 as soon as the policy of 100 % in\n"
        f"30 s lets it. The third came {third - second:g} s after the second, the fourth, which starts on the\n"
        f"same two cores, {fourth - third:g} s after it; of that the model knows nothing.\n\n"
        f"With {real.few} clients they went so: {left}. The model has them go one by one too,\n"
        "and as far apart. `platform/tests/scaling/test_simulation.py` holds it to both."
    )
