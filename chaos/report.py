"""The report of a run: what was done, what clients saw, and the verdict per promise, as Markdown with plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos import machine, plot
from chaos.checks import CHECKS
from chaos.results import promises, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from chaos.results import Result
    from chaos.rounds import Round

PROMISES = {
    "P1": "Durable acknowledgement",
    "P2": "One order",
    "P3": "Exactly once in effect",
    "P4": "Resume",
    "P5": "Bounded memory",
    "P6": "Degrade, never lie",
    "P7": "Clean leave",
    "P8": "Clear errors and access",
}

HOW_TO_READ = """
Every round has a fresh, empty world of real processes: chat nodes, a Redis with a password, a MongoDB-protocol
server, TCP links of our own between all of them, and clients that write, edit, delete, react, mark as read, lose
their connections, come back and repeat as the protocol says. They write for some seconds, then the fault is
injected under that load and healed, they go on for some seconds, fall silent, and come to rest. Then every log is
read whole from every node, and all that was recorded is judged: every operation with its start and its end, and
every entry that every client was shown, in the order received.

An operation that never got an answer is *unknown*: it may be stored or not, and neither counts against anybody.
*Found stored* are acknowledgements that said so: repeats, three in a hundred of them made on purpose by another
client on another node. *Shown* are entries that reached a client. In the plots the time of the fault is shaded.
"""


def write(page: Path, results: Sequence[Result], rounds: Sequence[Round]) -> None:
    """Write the page, and its plots into a folder of the same name beside it."""
    plots = page.with_suffix("")
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    by_round = {one.name: [result for result in results if result.round == one.name] for one in rounds}
    for name, some in by_round.items():
        if some:
            (plots / f"{name}.svg").write_text(plot.svg(some[0]))
    facts = machine.describe() | {"world": ", ".join(sorted({one.world for one in results}))}
    parts = [
        "# What was broken on purpose, and what held",
        f"Written by {_commands(results)}; by hand nothing is changed here. "
        "[chaos/README.md](../../chaos/README.md) says how to run it.",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
        _verdict(results),
        "## Promises",
        _promises(results),
        "## How to read it",
        HOW_TO_READ.strip(),
        "## Rounds",
        _table(_totals(results)),
        *(_round(one, by_round[one.name], plots.name) for one in rounds if by_round[one.name]),
    ]
    page.write_text("\n\n".join(parts) + "\n")


def _commands(results: Sequence[Result]) -> str:
    return ", then ".join(f"`{command}`" for command in dict.fromkeys(one.command for one in results))


def _verdict(results: Sequence[Result]) -> str:
    acked, shown = sum(one.acked for one in results), sum(one.shown for one in results)
    told = (
        f"**{len(results)} rounds, {acked:,} acknowledged writes, {shown:,} entries shown to clients:"
        f" {_violations(results, 'no lost acknowledgement')} lost,"
        f" {_violations(results, 'no duplicate')} duplicated,"
        f" {sum(_violations(results, name) for name in _ORDER)} out of order,"
        f" {sum(one.never_back for one in results)} clients that never came back.**"
    )
    troubled = [one for one in results if one.trouble]
    if troubled:
        told += f" {len(troubled)} rounds could not be run to their end and are not in these figures."
    return told


_ORDER = ("one order", "order in time", "order of a connection", "delivered whole")


def _violations(results: Iterable[Result], check: str) -> int:
    return sum(found.count for one in results for found in one.found if found.check == check)


def _promises(results: Sequence[Result]) -> str:
    judged = [one for one in results if not one.trouble]
    rows = [["promise", "what was checked", "verdict"]]
    for promise, names in promises().items():
        for check in (one for one in CHECKS if one.name in names):
            count = _violations(judged, check.name)
            looked = [found for one in judged for found in one.found if found.check == check.name]
            broken = sum(found.count > 0 for found in looked)
            kept = f"**broken {count} times in {broken} of {len(looked)} rounds**"
            if not count:
                kept = f"kept in {len(looked)} rounds" if looked else "not looked at"
            rows.append([f"{promise} {PROMISES[promise]}", f"{check.name}: {check.says}", kept])
    return _table(rows)


def _totals(results: Sequence[Result]) -> list[list[str]]:
    rows = [
        ["round", "times", "acknowledged", "found stored", "refused", "unknown", "shown", "connections", "kept"]
    ]
    for name in dict.fromkeys(one.round for one in results):
        some = [one for one in results if one.round == name]
        figures = ("acked", "duplicates", "refused", "indeterminate", "shown", "connections")
        cells = [f"{sum(_count(getattr(one, figure)) for one in some):,}" for figure in figures]
        rows.append([f"[{name}](#{name})", str(len(some)), *cells, f"{sum(one.kept for one in some)}/{len(some)}"])
    return rows


def _count(figure: int | dict[str, int]) -> int:
    return sum(figure.values()) if isinstance(figure, dict) else figure


def _round(one: Round, results: Sequence[Result], folder: str) -> str:
    first = results[0]
    parts = [f"### {one.name}", f"{one.about} {first.world}, {first.clients} clients."]
    parts.append("\n".join(f"- {summary(result)}".replace("\n", "\n  ") for result in results))
    if first.faults:
        told = (f"{fault.name} {fault.detail}".strip() for fault in first.faults)
        times = (f" from {fault.begun:.1f} to {fault.healed:.1f} s" for fault in first.faults)
        parts.append("Injected: " + "; ".join(what + when for what, when in zip(told, times, strict=True)) + ".")
    measures = [measure for result in results for measure in result.measures]
    if measures:
        slowest: dict[str, tuple[float, float]] = {}
        for measure in measures:
            before = slowest.get(measure.what, (0.0, measure.promised))
            slowest[measure.what] = max(before[0], measure.seconds), measure.promised
        told = (f"{what} {took:.2f} s (promised {most:.0f} s)" for what, (took, most) in slowest.items())
        parts.append("Slowest: " + "; ".join(told) + ".")
    parts.append(f"![{one.name}: acknowledgements and entries shown over time]({folder}/{one.name}.svg)")
    return "\n\n".join(parts)


def _table(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
