"""Rate: how often something may happen, as settings write it and limits read it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(
    r"(?P<count>[1-9]\d{0,8})\s*/\s*(?P<times>[1-9]\d{0,5})?(?P<unit>[smhd])(?:\s+burst\s+(?P<burst>[1-9]\d{0,8}))?"
)


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` times in `period_s` seconds on average, at most `burst` of them at once."""

    count: int
    period_s: int
    burst: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `50/s`, `10/15m` or `50/s burst 100`; without a burst it is `count`. Else ValueError."""
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"expected a rate such as 50/s, 10/15m or 50/s burst 100, got {text!r}")
        count = int(found["count"])
        period_s = int(found["times"] or 1) * _SECONDS[found["unit"]]
        return cls(count, period_s, int(found["burst"] or count))

    @property
    def per_second(self) -> float:
        """How many a second on average."""
        return self.count / self.period_s

    def __str__(self) -> str:
        """Give back the form that `parse` reads, in the largest unit that divides the period."""
        unit = next(name for name in "dhms" if self.period_s % _SECONDS[name] == 0)
        times = self.period_s // _SECONDS[unit]
        period = unit if times == 1 else f"{times}{unit}"
        burst = "" if self.burst == self.count else f" burst {self.burst}"
        return f"{self.count}/{period}{burst}"
