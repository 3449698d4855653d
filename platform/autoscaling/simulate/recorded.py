"""What was measured and is committed: costs of the load tests, talk of the experiments, a real crowd."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
BENCH = ROOT / "docs" / "reports" / "bench.md"
CHAOS = ROOT / "docs" / "reports" / "chaos.md"
TALK = ROOT / "docs" / "reports" / "chaos" / "rolling-restart.svg"
SCALING = Path(__file__).parent / "recorded" / "scaling.json"

_ACKS = "#1f6feb"
"""The colour of acknowledgements in the plots of the experiments, whose axis is on the left."""
_TOP_Y, _BOTTOM_Y = 26.0, 176.0


class NotRecordedError(Exception):
    """A report does not hold the figure that is looked for; the message says which."""


@dataclass(frozen=True)
class Costs:
    """CPU seconds of one process, and the delay of a message, as measured by `make bench`."""

    open_s: float
    """Of a connection that opens and signs in."""
    resume_s: float
    """Of a client that comes back to a room after 1,000 entries."""
    store_s: float
    """Of a message that is acknowledged."""
    deliver_s: float
    """Of a message to one reader, where messages come one at a time."""
    delivery_p95_s: float
    """How late a message is on a node that has time."""


@dataclass(frozen=True)
class Talk:
    """How people wrote in an experiment: shares of the mean rate, half a second each, and who read it."""

    rates: tuple[float, ...]
    readers: float


@dataclass(frozen=True)
class RealScaling:
    """What KEDA did on a real cluster: a crowd came where there was one gateway, and later few were left."""

    clients: int
    few: int
    values: tuple[str, ...]
    """What Helm was told."""
    ready_after_s: dict[int, float]
    """After how many seconds of the crowd so many gateways were ready."""
    left_after_s: dict[int, float]
    """After how many seconds of the few so many gateways were left."""


def costs(page: str | None = None) -> Costs:
    """What things cost, from the report of the load tests. Raises NotRecordedError."""
    text = page if page is not None else BENCH.read_text()
    per_second = _figure(text, "room of 500, 100 messages a second", "server CPU, % of a core") / 100
    return Costs(
        open_s=1 / _figure(text, "1,000 idle clients", "connections opened per server CPU second"),
        resume_s=_figure(text, "1,000 entries missed", "server CPU per client, ms") / 1000,
        store_s=1 / _figure(text, "64 senders, a room each", "messages acknowledged per server CPU second"),
        deliver_s=per_second / (100 * 500),
        delivery_p95_s=_figure(text, "room of 500, 100 messages a second", "delivery, 95 of 100 within, ms")
        / 1000,
    )


def _figure(text: str, load: str, name: str) -> float:
    """The service's median in the table, where a load is named in its first row only."""
    named = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 4:
            named = cells[0] or named
            if (named, cells[1]) == (load, name):
                return float(cells[3].split(" ")[0].replace(",", ""))
    raise NotRecordedError(f"{BENCH.name} has no figure {name!r} of {load!r}")


def talk(plot: str | None = None, page: str | None = None) -> Talk:
    """How people wrote in an experiment, and how many read each message. Raises NotRecordedError."""
    drawn = plot if plot is not None else TALK.read_text()
    line = re.search(rf'<polyline points="([^"]+)"[^>]*stroke="{_ACKS}"', drawn)
    if line is None:
        raise NotRecordedError(f"{TALK.name} has no line of acknowledgements")
    heights = [_BOTTOM_Y - float(point.split(",")[1]) for point in line[1].split()]
    # They write for a part of the round, and then come to rest.
    written = [height for height in heights[: _last(heights) + 1] if height >= 0]
    mean = sum(written) / len(written)
    row = re.search(r"^\| \[rolling-restart\].*$", page if page is not None else CHAOS.read_text(), re.MULTILINE)
    if row is None:
        raise NotRecordedError(f"{CHAOS.name} has no round rolling-restart")
    cells = [cell.strip().replace(",", "") for cell in row[0].strip("|").split("|")]
    return Talk(tuple(height / mean for height in written), int(cells[6]) / int(cells[2]))


def _last(heights: list[float]) -> int:
    return max(number for number, height in enumerate(heights) if height > (_BOTTOM_Y - _TOP_Y) / 100)


def real_scaling() -> RealScaling:
    """The run that the model is checked against."""
    told: dict[str, Any] = json.loads(SCALING.read_text())
    ready, left = (
        {int(size): after for size, after in told[name].items()} for name in ("ready_after_s", "left_after_s")
    )
    return RealScaling(told["clients"], told["few"], tuple(told["values"]), ready, left)
