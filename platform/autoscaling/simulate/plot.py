"""A run as SVG: above how many people and gateways there are, below how full the gateways are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from simulate.days import HOUR
from simulate.parameters import Scaling
from simulate.run import Seen

WIDTH, PANEL = 860, 170
_LEFT, _RIGHT, _TOP, _GAP, _BOTTOM = 54, 64, 30, 34, 26
_PIECES = 372
"""Points of a line: one for two of its pixels."""

_PEOPLE, _WANTED, _READY, _DRAINING, _LIMIT = "#8a8f98", "#1f6feb", "#1a7f37", "#d1242f", "#c0c4cc"


def svg(seen: Seen, scaling: Scaling) -> str:
    """The plot of a run."""
    height = _TOP + 2 * PANEL + _GAP + _BOTTOM
    above = _Panel(_TOP, max(seen.replicas) + 2)
    crowd = _Panel(_TOP, max(seen.people) * 1.1)
    below = _Panel(_TOP + PANEL + _GAP, scaling.most_connections * 1.1)
    target = next(trigger.target for trigger in scaling.triggers if trigger.name == "connections")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{escape(seen.day.name)}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        above.axes(lambda value: f"{value:.0f}"),
        crowd.right_axis(lambda value: f"{value / 1000:.0f}k"),
        below.axes(lambda value: f"{value / 1000:.1f}k"),
        _shaded(seen.day.blind, seen.day.length_s) if seen.day.blind else "",
        crowd.line(_thinned(seen.people, max), _PEOPLE),
        above.line(_thinned(seen.replicas, max), _WANTED),
        above.line(_thinned(seen.ready, min), _READY),
        above.line(_thinned(seen.draining, max), _DRAINING),
        below.level(target, _LIMIT),
        below.level(scaling.most_connections, _DRAINING),
        below.line(_thinned(seen.fullest, max), _WANTED),
        below.line(_thinned(seen.emptiest, min), _READY),
        _hours(seen.day.length_s, height),
        _legend(
            _TOP - 12,
            (("people (right)", _PEOPLE), ("wanted", _WANTED), ("serving", _READY), ("draining", _DRAINING)),
        ),
        _legend(
            _TOP + PANEL + _GAP - 8,
            (("fullest", _WANTED), ("emptiest", _READY), ("target", _LIMIT), ("limit", _DRAINING)),
        ),
        f'<text x="{_LEFT}" y="{_TOP - 12}" font-weight="bold">{escape(seen.day.name)}: gateways</text>',
        f'<text x="{_LEFT}" y="{_TOP + PANEL + _GAP - 8}" font-weight="bold">connections of a gateway</text>',
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


class _Panel:
    """A field with an axis from 0 to `most`."""

    def __init__(self, top: int, most: float) -> None:
        self._top, self._most = top, most

    def y(self, value: float) -> float:
        return self._top + PANEL * (1 - value / self._most)

    def axes(self, told: Callable[[float], str]) -> str:
        bottom = self._top + PANEL
        parts = [f'<path d="M{_LEFT} {self._top}V{bottom}H{WIDTH - _RIGHT}" fill="none" stroke="{_LIMIT}"/>']
        parts += (self._number(_LEFT - 6, share, told, "end") for share in (0.0, 0.5, 1.0))
        return "".join(parts)

    def right_axis(self, told: Callable[[float], str]) -> str:
        return "".join(self._number(WIDTH - _RIGHT + 6, share, told, "start") for share in (0.0, 0.5, 1.0))

    def _number(self, x: float, share: float, told: Callable[[float], str], anchor: str) -> str:
        y = self.y(self._most * share) + 4
        return f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}">{told(self._most * share)}</text>'

    def line(self, values: Sequence[float], colour: str) -> str:
        step = (WIDTH - _LEFT - _RIGHT) / len(values)
        points = " ".join(
            f"{_LEFT + (number + 0.5) * step:.1f},{self.y(value):.1f}" for number, value in enumerate(values)
        )
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'

    def level(self, value: float, colour: str) -> str:
        y = self.y(value)
        return f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="{colour}" stroke-dasharray="4 3"/>'


def _thinned(values: Sequence[float], chosen: Callable[[Sequence[float]], float]) -> list[float]:
    """Fewer values, each the least or the most of those that it stands for."""
    size = max(1, len(values) // _PIECES)
    return [chosen(values[start : start + size]) for start in range(0, len(values), size)]


def _shaded(blind: tuple[int, int], length_s: int) -> str:
    left, right = (_LEFT + (WIDTH - _LEFT - _RIGHT) * at / length_s for at in blind)
    return (
        f'<rect x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{2 * PANEL + _GAP}"'
        f' fill="{_DRAINING}" opacity="0.1"><title>no metrics</title></rect>'
    )


def _hours(length_s: int, height: int) -> str:
    step = 2.0 if length_s > 6 * HOUR else 0.25
    marks = (step * number for number in range(int(length_s / HOUR / step) + 1))
    return "".join(
        f'<text x="{_LEFT + (WIDTH - _LEFT - _RIGHT) * at * HOUR / length_s:.1f}" y="{height - 8}"'
        f' text-anchor="middle">{at:g} h</text>'
        for at in marks
    )


def _legend(y: int, told: Sequence[tuple[str, str]]) -> str:
    parts = []
    for place, (text, colour) in enumerate(told):
        x = WIDTH - _RIGHT - 130 * len(told) + 130 * place
        parts.append(f'<path d="M{x} {y - 4}h16" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 20}" y="{y}">{text}</text>')
    return "".join(parts)
