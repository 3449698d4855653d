"""The rounds: what is done to which world, in the order in which they are run and reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.faults import clocks, links, mongodb, nodes, people, redis, restore
from chaos.world import Shape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chaos.scene import Scene

FAR_S = 0.030
"""Each way, so that the far node is 60 ms from its store."""


@dataclass(frozen=True, slots=True)
class Round:
    """One experiment: what it is called, what a reader is told of it, what is done to what.

    `kills_store` where the MongoDB server itself is signalled: not one that is not ours.
    """

    name: str
    about: str
    fault: Callable[[Scene], Awaitable[None]]
    shape: Shape = field(default_factory=Shape)
    alone: bool = False
    """Whether one node on the embedded store can suffer it."""
    shared: bool = True
    """Whether several nodes on MongoDB and Redis can."""
    kills_store: bool = False
    rooms: int | None = None
    """How many rooms, where it is about few of them."""


def _links(side: links.Side, about: str) -> tuple[Round, ...]:
    shape = Shape(linked_clients=side == "clients")
    alone = side == "clients"
    return (
        Round(f"{side}-cut", f"{about}: cut at one node, then at all", links.cut(side), shape, alone),
        Round(f"{side}-slow", f"{about}: 100 to 250 ms each way", links.slow(side), shape, alone),
        Round(f"{side}-one-way", f"{about}: one direction is lost", links.one_way(side), shape, alone),
        Round(f"{side}-flapping", f"{about}: breaks and comes back", links.flapping(side), shape, alone),
    )


ROUNDS = (
    Round("calm", "No fault: load alone.", people.nothing, alone=True),
    Round("node-kill", "kill -9 of a node, three times.", nodes.kill, alone=True),
    Round("node-freeze", "SIGSTOP and SIGCONT of a node.", nodes.freeze, alone=True),
    Round("rolling-restart", "SIGTERM to every node in turn.", nodes.roll, alone=True),
    Round("redis-kill", "kill -9 of Redis, back empty after seconds.", redis.kill),
    Round("redis-restart", "Redis restarted three times.", redis.restart),
    Round("redis-flush", "FLUSHALL five times.", redis.flush),
    Round("redis-freeze", "SIGSTOP and SIGCONT of Redis.", redis.freeze),
    Round("mongodb-kill", "kill -9 of the store, back on its files.", mongodb.kill, kills_store=True),
    Round("mongodb-freeze", "SIGSTOP and SIGCONT of the store.", mongodb.freeze, kills_store=True),
    *_links("redis", "Links of nodes to Redis"),
    *_links("mongodb", "Links of nodes to MongoDB"),
    *_links("clients", "Links of clients to nodes"),
    Round("client-cut", "A third of the clients' TCP connections cut, four times.", links.cut_clients, alone=True),
    Round(
        "two-writers",
        "Few rooms at full speed from every node, one of them 60 ms from the store.",
        people.full_speed,
        Shape(far_s={0: FAR_S}),
        rooms=2,
    ),
    Round("removal", "People removed from rooms in use.", people.removal, alone=True),
    Round("stuck-readers", "Clients that stop reading.", people.stuck_readers, alone=True),
    Round(
        "restore",
        "The store put back from an older copy.",
        restore.older_copy,
        Shape(linked_clients=True),
        alone=True,
        shared=False,
    ),
    Round("clock-jumps", "The clock of one node jumps.", clocks.jump, Shape(plans={0: clocks.PLAN}), alone=True),
)
