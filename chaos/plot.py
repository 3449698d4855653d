"""A plot of a round as SVG: acknowledgements, refusals, reconnects and entries shown, with its faults marked."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from chaos.results import SLICE_S

if TYPE_CHECKING:
    from chaos.results import Fault, Result

WIDTH, HEIGHT = 860, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 64, 26, 44
_MOST_POINTS = 120
_ACKS, _SHOWN, _REFUSED, _RECONNECTS, _FAULT = "#1f6feb", "#8a8f98", "#d1242f", "#8250df", "#d1242f"


def svg(result: Result) -> str:
    """The plot. Its left axis counts acknowledgements, refusals and reconnects a second, its right one entries."""
    series = result.series
    kinds = (series.acks, series.shown, series.refused, series.reconnects)
    pieces = max(2, *map(len, kinds))
    end_s = max([pieces * SLICE_S, *(fault.healed for fault in result.faults)])
    together = math.ceil(pieces / _MOST_POINTS)
    slice_s = together * SLICE_S
    acks, shown, refused, reconnects = (_added(counts, together) for counts in kinds)
    acks_most = _round_up(max([*acks, *refused, *reconnects, 1]) / slice_s)
    shown_most = _round_up(max([*shown, 1]) / slice_s)
    title = f"{result.round}, seed {result.seed}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(title)}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *(_marked(fault, end_s) for fault in result.faults),
        _axes(end_s, acks_most, shown_most),
        _line(shown, slice_s, end_s, shown_most, _SHOWN),
        _line(refused, slice_s, end_s, acks_most, _REFUSED),
        _line(reconnects, slice_s, end_s, acks_most, _RECONNECTS),
        _line(acks, slice_s, end_s, acks_most, _ACKS),
        _legend(title),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _x(at_s: float, end_s: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * at_s / end_s


def _y(value: float, most: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / most


def _marked(fault: Fault, end_s: float) -> str:
    left, right = _x(max(0.0, fault.begun), end_s), _x(fault.healed, end_s)
    told = escape(f"{fault.name} {fault.detail}".strip())
    return (
        f'<rect x="{left:.1f}" y="{_TOP}" width="{max(1.0, right - left):.1f}" height="{HEIGHT - _TOP - _BOTTOM}"'
        f' fill="{_FAULT}" opacity="0.12"><title>{told}</title></rect>'
    )


def _added(counts: list[int], together: int) -> list[int]:
    """So many slices as one: of more of them than there is room for, a line would be a comb."""
    return [sum(counts[first : first + together]) for first in range(0, len(counts), together)]


def _line(counts: list[int], slice_s: float, end_s: float, most: float, colour: str) -> str:
    if not any(counts):
        return ""
    places = ((number + 0.5) * slice_s for number in range(len(counts)))
    points = " ".join(
        f"{_x(at, end_s):.1f},{_y(count / slice_s, most):.1f}" for at, count in zip(places, counts, strict=True)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _axes(end_s: float, acks_most: float, shown_most: float) -> str:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = [f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}V{_TOP}" fill="none" stroke="#c0c4cc"/>']
    for share in (0.0, 0.5, 1.0):
        y = _y(share, 1.0)
        parts.append(_text(_LEFT - 6, y + 4, f"{acks_most * share:g}", "end"))
        parts.append(_text(right + 6, y + 4, f"{shown_most * share:g}"))
    step = next(step for step in (1, 2, 5, 10, 20, 60, 300) if end_s / step <= 20)
    seconds = range(0, int(end_s) + 1, step)
    parts += (_text(_x(second, end_s), bottom + 16, f"{second} s", "middle") for second in seconds)
    return "".join(parts)


def _text(x: float, y: float, told: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{told}</text>'


def _legend(title: str) -> str:
    parts = [f'<text x="{_LEFT}" y="16" font-weight="bold">{escape(title)}</text>']
    told = (
        ("acknowledged /s (left)", _ACKS),
        ("refused /s (left)", _REFUSED),
        ("reconnects /s (left)", _RECONNECTS),
        ("shown /s (right)", _SHOWN),
    )
    for place, (text, colour) in enumerate(told):
        x, y = _LEFT + place * 150, HEIGHT - 8
        parts += [
            f'<path d="M{x} {y - 4}h16" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{x + 20}" y="{y}">{text}</text>',
        ]
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next number that reads well on an axis."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if value <= step * factor:
                return step * factor
        step *= 10
