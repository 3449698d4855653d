"""The HorizontalPodAutoscaler of Kubernetes 1.35: from metrics to a number of replicas, as its controller decides.

What KEDA adds is here too: a trigger that cannot be read fails, and after some failures its fallback speaks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulate.parameters import Direction, Policy, Scaling, Trigger

SYNC_S = 15
"""How often the controller looks (--horizontal-pod-autoscaler-sync-period)."""

TOLERANCE = 0.1
"""Nearer than this to its target a metric changes nothing (--horizontal-pod-autoscaler-tolerance)."""


@dataclass(frozen=True)
class Pods:
    """What the controller sees of the pods that are not leaving."""

    replicas: int
    ready: int


@dataclass
class _Change:
    at_s: float
    by: int


class Autoscaler:
    """One HPA with its memory: past recommendations and past changes."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._recommended: list[tuple[float, int]] = []
        self._up: list[_Change] = []
        self._down: list[_Change] = []
        self._failures = dict.fromkeys((trigger.name for trigger in scaling.triggers), 0)

    def decide(self, now_s: float, pods: Pods, measured: dict[str, float | None]) -> int:
        """The replicas to have now. `measured` is each trigger's value; None where it cannot be read."""
        wanted: list[int] = []
        unknown = False
        for trigger in self._scaling.triggers:
            proposal = self._proposal(trigger, measured[trigger.name], pods)
            unknown = unknown or proposal is None
            wanted += [] if proposal is None else [proposal]
        # What cannot be read may be a reason to stay.
        if not wanted or (unknown and max(wanted) < pods.replicas):
            return pods.replicas
        bounded = min(max(*wanted, self._scaling.least), self._scaling.most)
        stable = self._stabilized(now_s, pods.replicas, bounded)
        decided = self._limited(now_s, pods.replicas, stable)
        if decided > pods.replicas:
            self._up.append(_Change(now_s, decided - pods.replicas))
        elif decided < pods.replicas:
            self._down.append(_Change(now_s, pods.replicas - decided))
        return decided

    def _proposal(self, trigger: Trigger, value: float | None, pods: Pods) -> int | None:
        if value is None:
            self._failures[trigger.name] += 1
            return self._blind(trigger, pods)
        self._failures[trigger.name] = 0
        return proposal(trigger, value, pods)

    def _blind(self, trigger: Trigger, pods: Pods) -> int | None:
        """What KEDA answers for a trigger that it cannot read. CPU is not KEDA's."""
        fallback = self._scaling.fallback
        if trigger.kind == "Utilization" or self._failures[trigger.name] < fallback.failures:
            return None
        match fallback.behavior:
            case "currentReplicasIfHigher":
                return max(pods.replicas, fallback.replicas)
            case "currentReplicas":
                return pods.replicas
            case "currentReplicasIfLower":
                return min(pods.replicas, fallback.replicas)
            case _:
                return fallback.replicas

    def _stabilized(self, now_s: float, current: int, wanted: int) -> int:
        """Not more than the least of the up window, not fewer than the most of the down window."""
        self._recommended.append((now_s, wanted))
        longest = max(self._scaling.up.window_s, self._scaling.down.window_s)
        self._recommended = [(at, one) for at, one in self._recommended if at > now_s - longest or at == now_s]

        def within(direction: Direction) -> list[int]:
            return [one for at, one in self._recommended if at > now_s - direction.window_s or at == now_s]

        least, most = min(within(self._scaling.up)), max(within(self._scaling.down))
        return min(max(current, least), most)

    def _limited(self, now_s: float, current: int, wanted: int) -> int:
        """As far as the policies let it go; of several the one that allows the most change."""
        if wanted > current:
            limits = (self._allowed(now_s, current, policy, 1) for policy in self._scaling.up.policies)
            return min(wanted, max(current, *limits))
        if wanted < current:
            limits = (self._allowed(now_s, current, policy, -1) for policy in self._scaling.down.policies)
            return max(wanted, min(current, *limits))
        return current

    def _allowed(self, now_s: float, current: int, policy: Policy, sign: int) -> int:
        begun = current - _sum(self._up, now_s, policy.period_s) + _sum(self._down, now_s, policy.period_s)
        if policy.kind == "Pods":
            return begun + sign * policy.value
        share = begun * (1 + sign * policy.value / 100)
        return math.ceil(share) if sign > 0 else int(share)


def proposal(trigger: Trigger, value: float, pods: Pods) -> int:
    """How many replicas one metric asks for: ceil(current * value / target), unless it is within tolerance."""
    match trigger.kind:
        case "AverageValue":
            if pods.replicas and abs(value / (trigger.target * pods.replicas) - 1) <= TOLERANCE:
                return pods.replicas
            return math.ceil(value / trigger.target)
        case "Value":
            ratio = value / trigger.target
            return pods.replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * pods.ready)
        case "Utilization":
            return _by_utilization(value / trigger.target, pods)
        case _:
            raise ValueError(f"expected AverageValue, Value or Utilization, not {trigger.kind}")


def _by_utilization(ratio: float, pods: Pods) -> int:
    """Pods that start count as idle where more are asked for, so that nobody is asked for twice."""
    starting = pods.replicas - pods.ready
    if not pods.ready or abs(ratio - 1) <= TOLERANCE:
        return pods.replicas
    if ratio < 1 or not starting:
        return math.ceil(ratio * pods.ready)
    diluted = ratio * pods.ready / pods.replicas
    if diluted <= 1 + TOLERANCE:
        return pods.replicas
    return max(pods.replicas, math.ceil(diluted * pods.replicas))


def _sum(changes: Sequence[_Change], now_s: float, period_s: int) -> int:
    return sum(change.by for change in changes if change.at_s > now_s - period_s)
