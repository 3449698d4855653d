"""`python -m simulate`: runs every load against the chart of production, and writes the report."""

from __future__ import annotations

import sys

from rendering import Combination, of
from simulate import recorded, report
from simulate.days import DAYS
from simulate.parameters import scaling_of
from simulate.run import Seen, run

CHART = Combination("prod", "aws")
PAGE = recorded.ROOT / "docs" / "reports" / "autoscaling.md"


def made() -> tuple[list[Seen], dict[str, str]]:
    """The runs, and what each file should hold, by its place below docs/reports."""
    scaling, costs, talk = scaling_of(of(CHART)), recorded.costs(), recorded.talk()
    runs = [run(day, scaling, costs, talk) for day in DAYS]
    plots = report.plots(runs, scaling)
    text = report.page(runs, scaling, costs, talk, recorded.real_scaling(), str(CHART))
    return runs, {PAGE.name: text, **{f"{PAGE.stem}/{name}": drawn for name, drawn in plots.items()}}


def main() -> int:
    """Write the files."""
    runs, files = made()
    for name, text in files.items():
        place = PAGE.parent / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return 1 if any(one.cut for one in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
