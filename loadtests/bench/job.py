"""A job: what the load generator is told to do with one server, and what it tells back."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["acks", "fanout", "paced", "idle", "resume"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One load on one server.

    Client number c uses `tokens` and `rooms` at c modulo their length. `seconds` is the measured time, which
    begins `warm_up_s` after the load. `in_flight` is per client in `acks`, per room in `fanout`.
    """

    kind: Kind
    port: int
    pid: int
    tokens: list[str]
    rooms: list[str]
    clients: int
    seconds: float
    warm_up_s: float
    listening: bool = True
    """Whether the clients have their room open, so that they receive what is said in it."""
    in_flight: int = 1
    rate: float = 0.0
    """Messages a second in `paced`."""
    missed: int = 0
    """Entries that a client of `resume` catches up on."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a job: figures by name, and whatever was not as it has to be.

    The three shares are CPU seconds per second while it was measured, of the whole machine's cores.
    """

    figures: dict[str, float]
    server_cpu: float
    generator_cpu: float
    others_cpu: float
    problems: list[str] = []
