"""A bus between several nodes in one process: each end loses, repeats and reorders on its own, or is cut off."""

from __future__ import annotations

from collections.abc import Callable

from chat_service.bus import Message
from chat_service.bus.local import Faults, LocalBus


class NodeBus(LocalBus):
    """One node's end; `ends` are all of them. A node that is cut off hears nobody but itself."""

    def __init__(self, ends: list[NodeBus], faults: Faults | None = None, *, node: str = "") -> None:
        super().__init__(faults, node=node)
        self._ends = ends
        self._watchers: list[Callable[[], None]] = []
        ends.append(self)

    def watch(self, changed: Callable[[], None]) -> None:
        """See Bus."""
        self._watchers.append(changed)

    def publish(self, message: Message) -> None:
        """See Bus."""
        for end in self._ends if self.healthy else [self]:
            if end is self or end.healthy:
                end.arrive(message)

    def arrive(self, message: Message) -> None:
        """Have a message arrive here, with this end's faults."""
        LocalBus.publish(self, message)

    def turn(self, *, healthy: bool) -> None:
        """Cut this end off, or connect it again."""
        self.healthy = healthy
        for changed in self._watchers:
            changed()
