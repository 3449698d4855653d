"""A clock that jumps: the wall clock of one node; time that only goes on is left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chaos.servers.node import NodePlan

if TYPE_CHECKING:
    from chaos.scene import Scene

PLAN = NodePlan(own_clock=True)
"""How the node is started whose clock jumps."""

JUMPS_S = (3600, -30, 600, 0)
"""Where the clock is set in turn against the true time: ahead, back behind the others, ahead, and true again.

Not further back than the service forgives between the clocks of two nodes (60 s): tokens that others just gave
out would not be good yet.
"""


async def jump(scene: Scene) -> None:
    """Set the clock of the first node forth and back."""
    node = scene.world.nodes[0]
    async with scene.injected("clock jumps", f"{node.name}: {', '.join(f'{jump:+d} s' for jump in JUMPS_S)}"):
        for seconds in JUMPS_S:
            node.set_clock(seconds)
            await asyncio.sleep(scene.chance.uniform(1.5, 3.0))
