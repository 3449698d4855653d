"""Writes golden/: what is installed, line by line, so that a review sees what a change does to each environment.

`embedded` and `cluster` hold everything that the chart installs with its defaults. The other files hold only in
what an environment on a cloud differs from that of its mode.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from rendering import CLOUDS, ENVIRONMENTS, Combination, Object, of, rendered

FOLDER = Path(__file__).parent / "golden"
BASES = {
    "embedded": ("--set=mode=embedded",),
    "cluster": ("--set=mode=cluster", "--set=persistence.enabled=false"),
}

_TOLD_ELSEWHERE = ('."checksum/settings"', '."helm.sh/chart"', '."app.kubernetes.io/version"')
"""That they changed is said better by the settings' own lines, and by the chart's version."""


def lines_of(those: list[Object] | tuple[Object, ...]) -> list[str]:
    """Objects as sorted lines `Kind/name path = value`; what has a name in a list goes by it."""
    return sorted(
        f"{one['kind']}/{one['metadata']['name']} {path.lstrip('.')} = {json.dumps(value)}"
        for one in those
        for path, value in _leaves(one)
        if path not in {".kind", ".metadata.name"}
    )


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            shown = f".{key}" if str(key).replace("_", "").isalnum() else f'."{key}"'
            yield from _leaves(item, path + shown)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            name = item.get("name") or item.get("alert") if isinstance(item, dict) else None
            yield from _leaves(item, f"{path}[{name or number}]")
    elif path.endswith(_TOLD_ELSEWHERE):
        yield path, "..."
    else:
        yield path, value


def made() -> dict[str, str]:
    """What each file should hold, by its name."""
    bases = {mode: lines_of(rendered(*arguments)) for mode, arguments in BASES.items()}
    files = {mode: "".join(f"{line}\n" for line in lines) for mode, lines in bases.items()}
    for environment in ENVIRONMENTS:
        for cloud in CLOUDS:
            here = of(Combination(environment, cloud))
            mode = "embedded" if any(one["kind"] == "StatefulSet" for one in here) else "cluster"
            lines, base = {*lines_of(here)}, {*bases[mode]}
            # A line that is gone stands beside the one that is there instead.
            changed = sorted([(line, "-") for line in base - lines] + [(line, "+") for line in lines - base])
            text = "".join(f"{sign} {line}\n" for line, sign in changed)
            files[f"{environment}-{cloud}"] = f"Differences from {mode}:\n{text}"
    return files


def main() -> int:
    """Write the files, and remove what is not made any more."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, text in made().items():
        (FOLDER / f"{name}.txt").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
