"""Peers: the other nodes of the chat world, as this one hears them on the bus."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec
import structlog

from chat_service.bus import Alive, Bus, Life

ALIVE_EVERY_S = 3.0

GONE_AFTER_S = 30.0
"""How long a node may be silent before it is taken for gone."""

NODES_MOST = 1000
"""Other nodes that are kept in mind."""

log = structlog.get_logger()


class _Peer(msgspec.Struct):
    """Another node: its life, and when it was heard last."""

    life: Life
    heard: float


class Peers:
    """Says that this node is there and keeps who else is. `clock` in seconds.

    `met` is called with the life of a node that was not known, `gone` with the name of one that left, died or
    began another life.
    """

    def __init__(
        self,
        bus: Bus,
        node: str,
        clock: Callable[[], float],
        met: Callable[[Life], None],
        gone: Callable[[str], None],
    ) -> None:
        self.life = Life(node, 0)
        self._bus = bus
        self._clock = clock
        self._met = met
        self._gone = gone
        self._peers: dict[str, _Peer] = {}
        self._left: dict[str, _Peer] = {}
        self._alive_at = 0.0
        self._doubled = False

    def __len__(self) -> int:
        """How many others there are."""
        return len(self._peers)

    def names(self) -> Collection[str]:
        """What they are called."""
        return self._peers.keys()

    def begin(self, began_ms: int) -> None:
        """Begin this node's life."""
        self.life = Life(self.life.node, began_ms)

    def greet(self) -> None:
        """Say that this node is there."""
        self._alive_at = self._clock() + ALIVE_EVERY_S
        self._bus.publish(Alive(self.life))

    def leave(self) -> None:
        """Say goodbye."""
        self._bus.publish(Alive(self.life, leaving=True))

    def hear(self, life: Life) -> bool:
        """Note that a node is there; False where this is not its present life, or this very node."""
        left, peer = self._left.get(life.node), self._peers.get(life.node)
        now = self._clock()
        if life.node == self.life.node:
            self._hear_namesake(life)
            return False
        if left is not None and life.began <= left.life.began:
            return False
        if peer is not None and life.began <= peer.life.began:
            peer.heard = now
            return life.began == peer.life.began
        if peer is None and len(self._peers) >= NODES_MOST:
            return False
        self._forget(life.node)
        self._peers[life.node] = _Peer(life, now)
        self._met(life)
        return True

    def farewell(self, life: Life) -> None:
        """A node said goodbye. What it said before may still arrive, and must not bring it back."""
        peer = self._peers.get(life.node)
        if life.node != self.life.node and (peer is None or life.began >= peer.life.began):
            if len(self._left) < NODES_MOST:
                self._left[life.node] = _Peer(life, self._clock())
            self._forget(life.node)

    def look_after(self) -> None:
        """Greet in time, and forget who was not heard."""
        now = self._clock()
        if now >= self._alive_at:
            self.greet()
        for node, peer in list(self._peers.items()):
            if now - peer.heard > GONE_AFTER_S:
                log.warning("peers.gone", peer=node)
                self._forget(node)
        for node, peer in list(self._left.items()):
            if now - peer.heard > GONE_AFTER_S:
                del self._left[node]

    def _hear_namesake(self, life: Life) -> None:
        if life.began > self.life.began and not self._doubled:
            self._doubled = True
            log.error("peers.name_taken", node=life.node, hint="two nodes have the same CHAT_NODE_ID")

    def _forget(self, node: str) -> None:
        if self._peers.pop(node, None) is not None:
            self._gone(node)
