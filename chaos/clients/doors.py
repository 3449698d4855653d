"""Where clients find the nodes: the addresses of those that may be asked, as a load balancer would know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random


@dataclass(frozen=True, slots=True)
class Door:
    """An address of a node, which may be that of a link in front of it."""

    node: str
    host: str
    port: int


class Doors:
    """The doors of a round. A client that was let down by one tries another."""

    def __init__(self, doors: Sequence[Door]) -> None:
        self.all = list(doors)

    def choose(self, chance: Random, besides: Door | None) -> Door:
        """Any door, another one than `besides` where there is one."""
        others = [door for door in self.all if door != besides]
        return chance.choice(others or self.all)
