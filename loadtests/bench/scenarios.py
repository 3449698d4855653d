"""The scenarios: which loads are run, and which of their figures are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bench.job import Kind

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a load's outcome, and how it is shown."""

    name: str
    title: str
    better: Better


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load: what the clients do, in how many rooms, and what is shown of it."""

    name: str
    title: str
    kind: Kind
    clients: int
    figures: tuple[Figure, ...]
    rooms: int = 1
    listening: bool = True
    in_flight: int = 1
    rate: float = 0.0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Loads that are run one after the other on one freshly started server."""

    name: str
    about: str
    loads: tuple[Load, ...]
    with_peer: bool = True


_ACKS = (
    Figure("acks_per_s", "messages acknowledged per second", "more"),
    Figure("acks_per_cpu_s", "messages acknowledged per server CPU second", "more"),
)
_FANOUT = (
    Figure("deliveries_per_cpu_s", "deliveries per server CPU second", "more"),
    Figure("messages_per_s", "messages per second", "more"),
)
_PACED = (
    Figure("p50_ms", "delivery, median, ms", "less"),
    Figure("p95_ms", "delivery, 95 of 100 within, ms", "less"),
    Figure("server_cpu_percent", "server CPU, % of a core", "less"),
)
_IDLE = (
    Figure("kib_per_connection", "resident memory per connection, KiB", "less"),
    Figure("connects_per_cpu_s", "connections opened per server CPU second", "more"),
)
_RESUME = (
    Figure("alone_ms", "one client alone, ms", "less"),
    Figure("together_p50_ms", "100 clients at once, median client, ms", "less"),
    Figure("together_all_ms", "100 clients at once, until the last, ms", "less"),
    Figure("cpu_ms", "server CPU per client, ms", "less"),
)

SCENARIOS = (
    Scenario(
        "acks",
        "64 connections send, each with 16 messages unacknowledged. The service acknowledges what is on the disk, "
        "the peer what it has received.",
        (
            Load(
                name="acks-unread",
                title="64 senders, one room that nobody has open",
                kind="acks",
                clients=64,
                in_flight=16,
                listening=False,
                figures=_ACKS,
            ),
            Load(
                name="acks-one-room",
                title="64 senders, one room, all receive all",
                kind="acks",
                clients=64,
                in_flight=16,
                figures=_ACKS,
            ),
            Load(
                name="acks-64-rooms",
                title="64 senders, a room each",
                kind="acks",
                clients=64,
                rooms=64,
                in_flight=16,
                figures=_ACKS,
            ),
        ),
    ),
    Scenario(
        "fanout",
        "One member speaks, all hear, the speaker too. Closed loop: 8 messages are under way at any time, each "
        "until everybody has it. Open loop: 100 messages a second, delays count from when a message was due.",
        (
            *(
                Load(
                    name=f"fanout-{clients}",
                    title=f"room of {clients}, 8 in flight",
                    kind="fanout",
                    clients=clients,
                    in_flight=8,
                    figures=_FANOUT,
                )
                for clients in (100, 500)
            ),
            *(
                Load(
                    name=f"paced-{clients}",
                    title=f"room of {clients}, 100 messages a second",
                    kind="paced",
                    clients=clients,
                    rate=100,
                    figures=_PACED,
                )
                for clients in (100, 500)
            ),
        ),
    ),
    Scenario(
        "idle",
        "1,000 clients connect over WebSocket, 64 at a time, sign in (the service looks at a token) and stay.",
        (Load(name="idle", title="1,000 idle clients", kind="idle", clients=1000, figures=_IDLE),),
    ),
    Scenario(
        "resume",
        "Clients come back to a room after 1,000 entries and page through them until they are live. "
        "The peer keeps nothing that one could come back to.",
        (
            Load(
                name="resume",
                title="1,000 entries missed",
                kind="resume",
                clients=100,
                missed=1000,
                figures=_RESUME,
            ),
        ),
        with_peer=False,
    ),
)
