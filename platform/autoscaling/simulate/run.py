"""Runs a load against the autoscaling of a chart, and keeps what was seen."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from simulate.days import Day
from simulate.fleet import Fleet, Phase, Pod
from simulate.hpa import SYNC_S, Autoscaler, proposal
from simulate.parameters import Scaling, Trigger
from simulate.recorded import Costs, Talk

LOOKS_BACK_S = 120
"""The range of the delivery trigger's query."""

BACK_WITHIN_S = 4.4
"""The longest gap after a pod that was deleted by force: docs/reports/cluster.md."""


@dataclass
class Seen:
    """What was seen each second, and of each pod that left."""

    day: Day
    people: list[float] = field(default_factory=list)
    replicas: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    draining: list[int] = field(default_factory=list)
    fullest: list[float] = field(default_factory=list)
    emptiest: list[float] = field(default_factory=list)
    delivery: list[float] = field(default_factory=list)
    """Seconds that a message takes, on the slowest gateway that serves."""
    outside: list[float] = field(default_factory=list)
    left: list[Pod] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    """For how many seconds each trigger asked for the most replicas."""

    @property
    def cut(self) -> float:
        """Connections that the end of a draining pod broke."""
        return sum(pod.cut for pod in self.left)

    @property
    def longest_drain_s(self) -> int:
        """From being asked to leave to the end of the last connection."""
        return max((pod.ended_s - pod.leaving_s for pod in self.left if pod.ended_s and pod.leaving_s), default=0)


def run(day: Day, scaling: Scaling, costs: Costs, talk: Talk) -> Seen:
    """Let a load pass, second by second."""
    seen, fleet, autoscaler = Seen(day), Fleet(scaling), Autoscaler(scaling)
    connections = next(trigger.target for trigger in scaling.triggers if trigger.name == "connections")
    replicas = min(max(math.ceil(day.people(0) / connections), scaling.least), scaling.most)
    fleet.begin(replicas)
    fleet.take(0, day.people(0))
    delays: deque[float] = deque(maxlen=LOOKS_BACK_S)
    scraped: dict[str, float] = _measured(fleet, scaling, 0, delays)
    for now in range(day.length_s):
        opening = fleet.step(now)
        came = day.people(now) - day.people(max(0, now - 1))
        if came < 0:
            fleet.go(-came)
        elif came > 0:
            opening += fleet.take(now, came)
        if now == day.lost_at_s:
            fleet.lose(now, day.lost_share, BACK_WITHIN_S)
        _work(fleet, day, now, opening, costs, talk)
        delay = _delay(fleet, now, costs)
        delays.append(delay)
        if now % scaling.scrape_s == 0:
            scraped = _measured(fleet, scaling, now, delays)
        if now % SYNC_S == 0:
            away = day.blind is not None and day.blind[0] <= now < day.blind[1]
            told = {name: None if away and name != "cpu" else value for name, value in scraped.items()}
            replicas = autoscaler.decide(now, fleet.seen(now), told)
            fleet.scale(now, replicas)
            _note_asked(seen, scaling, scraped, fleet, now)
        _note(seen, fleet, day, now, replicas, delay)
    seen.left = fleet.left
    return seen


def _work(fleet: Fleet, day: Day, now: int, opening: float, costs: Costs, talk: Talk) -> None:
    burst = talk.rates[(now * 2) % len(talk.rates)]
    written = day.messages(now) * burst
    readers = talk.readers if day.readers is None else day.readers
    total = max(fleet.connections, 1.0)
    each = written * (costs.store_s + readers * costs.deliver_s) / total
    storm = day.lost_at_s is not None and now >= day.lost_at_s
    fleet.work(now, each, opening * (costs.open_s + (costs.resume_s if storm else 0.0)))


def _delay(fleet: Fleet, now: int, costs: Costs) -> float:
    serving = fleet.at(now, Phase.SERVING)
    # Readers of a message are on all gateways: 95 of 100 are not on the slowest twentieth of them.
    waits = sorted(pod.backlog_s for pod in serving)
    return costs.delivery_p95_s + (waits[math.ceil(0.95 * len(waits)) - 1] if waits else 0.0)


def _measured(fleet: Fleet, scaling: Scaling, now: int, delays: deque[float]) -> dict[str, float]:
    """What a query of each trigger gives."""
    serving = fleet.at(now, Phase.SERVING)
    used = sum(pod.used for pod in serving) / len(serving) if serving else 0.0
    late = sorted(delays)[math.ceil(0.95 * len(delays)) - 1] if delays else 0.0

    def value(trigger: Trigger) -> float:
        match trigger.name:
            case "connections":
                return fleet.connections
            case "delivery":
                return late / trigger.budget_s
            case "cpu":
                return 100 * used / scaling.cpu_request
            case _:
                raise ValueError(f"nothing here is called {trigger.name}")

    return {trigger.name: value(trigger) for trigger in scaling.triggers}


def _note_asked(seen: Seen, scaling: Scaling, scraped: dict[str, float], fleet: Fleet, now: int) -> None:
    pods = fleet.seen(now)
    asked = {trigger.name: proposal(trigger, scraped[trigger.name], pods) for trigger in scaling.triggers}
    most = max(asked.values())
    for name, wanted in asked.items():
        if wanted == most > scaling.least:
            seen.asked[name] = seen.asked.get(name, 0) + SYNC_S


def _note(seen: Seen, fleet: Fleet, day: Day, now: int, replicas: int, delay: float) -> None:
    serving = fleet.at(now, Phase.SERVING)
    held = [pod.connections for pod in serving] or [0.0]
    seen.people.append(day.people(now))
    seen.replicas.append(replicas)
    seen.ready.append(len(serving))
    seen.draining.append(len(fleet.at(now, Phase.DRAINING)))
    seen.fullest.append(max(held))
    seen.emptiest.append(min(held))
    seen.delivery.append(delay)
    seen.outside.append(fleet.outside + sum(count for _, count in fleet.returning))
