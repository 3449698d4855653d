"""The report: results as a table for people, on a terminal and as a page of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.results import Results, Spread
    from bench.scenarios import Scenario

NOTHING = "-"
QUIET = 0.2
"""Cores that others may take before delays are theirs rather than the servers'."""

LIMIT = 0.9
"""A generator busier than this may have been the limit."""

HOW_TO_READ = """\
The two are measured by the same clients with the same frames, in turn (service, peer, service, peer …), each
freshly started. They do not do the same work: the service signs everybody in, checks each message and has it on
the disk before it acknowledges it; the peer does none of that. A cell has the median of the repeats with the least
and the most; the ratio is that of the medians. What is given per server CPU second depends least on what else the
machine does; delays depend on it most. Where the ranges of the two overlap, or the ratio is between 0.87 and 1.15,
call them equal. Under fan-out the service joins messages that wait for the same room into one write per connection
and the peer writes each of them: the advantage is that of 8 messages in flight, and shrinks to the plain cost of a
write where messages come one at a time. In the second table a server near 1.00 was at the limit of its core; a
generator above 0.90 (marked !) may have been the limit itself, and then the server could do more than is shown.
"""


def number(value: float) -> str:
    """A number with as many digits as say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figures_table(results: Results, scenarios: Sequence[Scenario]) -> list[list[str]]:
    """Title row and rows: load, figure, what is better, service, peer, ratio."""
    rows = [["load", "figure", "better", "service", "peer", "service / peer"]]
    for scenario in scenarios:
        for load in scenario.loads:
            title = load.title
            for figure in load.figures:
                service, peer = (results.figure(load.name, who, figure.name) for who in ("service", "peer"))
                ratio = results.ratio(load.name, figure.name)
                told = NOTHING if ratio is None else f"{ratio:.2f}"
                rows.append([title, figure.title, figure.better, _cell(service), _cell(peer), told])
                title = ""
    return rows


def cpu_table(results: Results, scenarios: Sequence[Scenario]) -> list[list[str]]:
    """Title row and rows: who was busy in which load."""
    rows = [["load", "service", "its generator", "peer", "its generator"]]
    for load in (load for scenario in scenarios for load in scenario.loads):
        row = [load.title]
        for contestant in ("service", "peer"):
            cpu = results.cpu(load.name, contestant)
            row += [NOTHING, NOTHING] if cpu is None else [f"{cpu[0].median:.2f}", _generator(cpu[1])]
        rows.append(row)
    return rows


def text(results: Results, scenarios: Sequence[Scenario], facts: dict[str, str]) -> str:
    """What is written on the terminal."""
    parts = [
        "\n".join(f"{name}: {value}" for name, value in facts.items()),
        _aligned(figures_table(results, scenarios)),
        "CPU seconds per second\n" + _aligned(cpu_table(results, scenarios)),
        _noise(results),
        *_problems(results),
    ]
    return "\n\n".join(parts) + "\n"


def page(results: Results, scenarios: Sequence[Scenario], facts: dict[str, str], command: str) -> str:
    """docs/reports/bench.md."""
    parts = [
        "# Benchmarks",
        f"Written by `{command}`; by hand nothing is changed here. "
        "[loadtests/README.md](../../loadtests/README.md) says how to run it.",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
        "\n".join(f"- **{scenario.name}**: {scenario.about}" for scenario in scenarios),
        _markdown(figures_table(results, scenarios)),
        "## How to read it",
        HOW_TO_READ.strip(),
        "CPU seconds per second, medians:",
        _markdown(cpu_table(results, scenarios)),
        _noise(results),
        *_problems(results),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    if spread.least == spread.most:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.least)} to {number(spread.most)})"


def _generator(spread: Spread) -> str:
    return f"{spread.median:.2f}{' !' if spread.most > LIMIT else ''}"


def _noise(results: Results) -> str:
    others = results.others()
    if others is None:
        return "Nothing was measured."
    told = f"Meanwhile other programs took {others.median:.2f} cores ({others.least:.2f} to {others.most:.2f})"
    return f"{told}: so much that the figures say little." if others.median > QUIET else f"{told}."


def _problems(results: Results) -> Iterable[str]:
    problems = results.problems()
    if not problems:
        return ["Every message was acknowledged and delivered to everybody, once and in order."]
    return ["**Not as it has to be**, so do not use these figures:", "\n".join(f"- {one}" for one in problems)]


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _markdown(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
