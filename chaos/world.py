"""The world of a round: nodes, their store and bus, and links in front of all that a fault may take away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.clients.doors import Door, Doors
from chaos.servers.link import Link
from chaos.servers.mongodb import MongoDB
from chaos.servers.node import Node, NodePlan
from chaos.servers.process import HOST
from chaos.servers.redis import Redis

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Shape:
    """What a world is made of: one node on its own file, or several on MongoDB and Redis.

    `plans` say how a node is started that is not started as all the others; `far_s` is how much further one of
    them is from the store, each way. With `linked_clients` clients reach nodes through links too.
    """

    nodes: int = 3
    shared: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    plans: Mapping[int, NodePlan] = field(default_factory=dict)
    far_s: Mapping[int, float] = field(default_factory=dict)
    linked_clients: bool = False


class World:
    """Everything that runs beside the clients."""

    def __init__(self, shape: Shape, folder: Path) -> None:
        self.shape = shape
        self.redis = Redis(folder / "redis") if shape.shared else None
        self.mongodb = MongoDB(folder) if shape.shared else None
        self.nodes = [self._node(number, folder) for number in range(shape.nodes)]
        self.redis_links: dict[str, Link] = {}
        self.mongodb_links: dict[str, Link] = {}
        self.client_links: dict[str, Link] = {}
        self._link_everything()
        self.doors = Doors([self._door(node) for node in self.nodes])

    @property
    def names(self) -> list[str]:
        """The nodes' names."""
        return [node.name for node in self.nodes]

    def node(self, name: str) -> Node:
        """A node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def url_of(self, name: str) -> str:
        """A node's own origin, past any link."""
        return self.node(name).url

    async def start(self) -> None:
        """Bring everything up. Raises ServerError."""
        for server in (self.redis, self.mongodb):
            if server is not None:
                await server.start()
        for link in self._links():
            await link.start()
        # One after the other at first: all of them would make the same indexes at once.
        for node in self.nodes:
            node.start()
            await node.ready()

    async def stop(self) -> None:
        """End everything."""
        await asyncio.gather(*(node.process.end() for node in self.nodes if node.started))
        for link in self._links():
            await link.stop()
        for server in (self.redis, self.mongodb):
            if server is not None and server.started:
                await server.process.end()
        if self.mongodb is not None:
            await self.mongodb.drop()

    def _links(self) -> list[Link]:
        return [*self.redis_links.values(), *self.mongodb_links.values(), *self.client_links.values()]

    def _node(self, number: int, folder: Path) -> Node:
        name = f"node-{number}"
        plan = self.shape.plans.get(number, NodePlan())
        return Node(name, folder / name, plan)

    def _link_everything(self) -> None:
        for number, node in enumerate(self.nodes):
            settings = dict(self.shape.settings)
            if self.redis is not None and self.mongodb is not None:
                bus = self.redis_links[node.name] = Link(f"{node.name} to Redis", self.redis.port)
                store = self.mongodb_links[node.name] = Link(f"{node.name} to MongoDB", self.mongodb.port)
                store.delay_s = self.shape.far_s.get(number, 0.0)
                settings["CHAT_REDIS_URLS"] = f"redis://:{self.redis.password}@{HOST}:{bus.port}/0"
                settings["CHAT_MONGODB_URI"] = self.mongodb.uri(store.port)
            node.settings = {**settings, **node.plan.settings}
            if self.shape.linked_clients:
                self.client_links[node.name] = Link(f"clients to {node.name}", node.port)

    def _door(self, node: Node) -> Door:
        link = self.client_links.get(node.name)
        return Door(node.name, HOST, node.port if link is None else link.port)
