"""Bounded memory: a client that stops reading does not grow a node beyond what is set for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case

_MIB = 1024 * 1024


def find(case: Case) -> Iterator[str]:
    """Nodes that grew more than is allowed."""
    for use in case.history.memory:
        if use.most - use.before > use.allowed:
            grown, allowed = (use.most - use.before) / _MIB, use.allowed / _MIB
            yield f"{use.node} grew by {grown:.1f} MiB while clients did not read; allowed are {allowed:.1f}"
