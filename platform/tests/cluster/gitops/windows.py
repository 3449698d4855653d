"""The windows in which production is synced, moved so that they are open or closed whenever a test runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.gitops.repository import Repository

PROJECTS = "platform/argocd/projects/*.yaml"
ALWAYS = "* * * * *"
DURATION = "1h"
FAR = timedelta(days=180)


def windows(repository: Repository, *, is_open: bool) -> dict[str, str]:
    """The projects that have windows, with those that allow open or closed, and those that deny far away."""
    texts = {path: repository.read(path) for path in repository.names(PROJECTS)}
    return {path: _moved(text, is_open=is_open) for path, text in texts.items() if "syncWindows:" in text}


def _moved(text: str, *, is_open: bool) -> str:
    """By lines, so that nothing else of the file changes."""
    day = datetime.now(UTC) + FAR
    far = f"0 0 {day.day} {day.month} *"
    schedules = {"allow": ALWAYS if is_open else far, "deny": far}
    lines, kind = [], ""
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("- ").partition(": ")
        kind = value if name == "kind" else kind
        told = {"schedule": f'"{schedules.get(kind, far)}"', "duration": DURATION}
        lines.append(line.replace(value, told[name]) if name in told else line)
    return "\n".join([*lines, ""])
