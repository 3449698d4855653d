"""A node's station: its place in its world, and the limits it keeps to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chat_service.rooms.delivery import DeliveryLimits
from chat_service.rooms.waiting import WriterLimits


def _unlimited(room: str) -> None:
    del room


@dataclass(slots=True, frozen=True)
class RoomsLimits:
    """The limits of writers and of delivery, and `writes_of`, which raises where a room is written to too fast."""

    writer: WriterLimits = field(default_factory=WriterLimits)
    delivery: DeliveryLimits = field(default_factory=DeliveryLimits)
    writes_of: Callable[[str], None] = _unlimited


@dataclass(slots=True, frozen=True)
class Station:
    """A node's place in its world: its name, the store's incarnation, the key of request digests, its clock."""

    node: str
    incarnation: str
    digest_secret: bytes
    clock_ms: Callable[[], int]
