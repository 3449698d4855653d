"""The scene of a round: what a fault is given to act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.gathering import PATIENCE_S, Gathering

if TYPE_CHECKING:
    from chaos.clients.crowd import Size
    from chaos.servers.node import Node
    from chaos.world import World


class Scene(Gathering):
    """A crowd in a world of our own. A fault takes every decision from its `chance`."""

    def __init__(self, world: World, size: Size, seed: str, patience_s: float = PATIENCE_S) -> None:
        super().__init__(world, size, seed, patience_s)
        self.world = world

    def some_node(self) -> Node:
        """Any node."""
        return self.chance.choice(self.world.nodes)
