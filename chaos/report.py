"""stub"""

from __future__ import annotations

from pathlib import Path

from chaos.results import Result


def write(path: Path, kept: list[Result], command: str) -> None:
    """Write."""
