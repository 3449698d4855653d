"""Everything that is simulated, read from the rendered chart: a changed template changes the simulation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

_SECONDS = {"s": 1, "m": 60, "h": 3600}


class NotInChartError(Exception):
    """The rendered chart does not hold what the simulation needs; the message says what."""


@dataclass(frozen=True)
class Policy:
    """How many pods may come or go within a period: `kind` is Pods or Percent."""

    kind: str
    value: int
    period_s: int


@dataclass(frozen=True)
class Direction:
    """One half of an HPA's behavior."""

    window_s: int
    policies: tuple[Policy, ...]


@dataclass(frozen=True)
class Trigger:
    """What is measured and what it should be. `kind` is AverageValue, Value or Utilization."""

    name: str
    kind: str
    target: float
    budget_s: float = 0.0
    """For the delivery trigger: the time that its query calls 1."""


@dataclass(frozen=True)
class Fallback:
    """What KEDA does after so many failures in a row to read a trigger."""

    failures: int
    replicas: int
    behavior: str


@dataclass(frozen=True)
class Drain:
    """Seconds of a pod's end: connections are closed from `close_from` to `closed`; at `grace` it is killed."""

    close_from_s: int
    closed_s: int
    grace_s: int


@dataclass(frozen=True)
class Scaling:
    """All that decides how many gateways there are, and how one leaves."""

    least: int
    most: int
    up: Direction
    down: Direction
    triggers: tuple[Trigger, ...]
    fallback: Fallback
    drain: Drain
    scrape_s: int
    cpu_request: float
    most_connections: int
    min_ready_s: int


def scaling_of(rendered: Sequence[Object]) -> Scaling:
    """The autoscaling of the gateways in a rendered chart. Raises NotInChartError."""
    try:
        scaled = _one(rendered, "ScaledObject", "-gateway")["spec"]
        workload = _one(rendered, scaled["scaleTargetRef"]["kind"], "-gateway")["spec"]
        settings: Mapping[str, str] = _one(rendered, "ConfigMap")["data"]
        behavior = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        pod = workload["template"]["spec"]
        monitors = [one for one in rendered if one["kind"] == "ServiceMonitor"]
        return Scaling(
            least=scaled["minReplicaCount"],
            most=scaled["maxReplicaCount"],
            up=_direction(behavior["scaleUp"]),
            down=_direction(behavior["scaleDown"]),
            triggers=tuple(_trigger(one) for one in scaled["triggers"]),
            fallback=Fallback(
                scaled["fallback"]["failureThreshold"],
                scaled["fallback"]["replicas"],
                scaled["fallback"]["behavior"],
            ),
            drain=_drain(pod, settings),
            scrape_s=_seconds(monitors[0]["spec"]["endpoints"][0]["interval"]) if monitors else 15,
            cpu_request=_cores(pod["containers"][0]["resources"]["requests"]["cpu"]),
            most_connections=int(settings["CHAT_MAX_CONNECTIONS"]),
            min_ready_s=workload["minReadySeconds"],
        )
    except KeyError as problem:
        raise NotInChartError(f"the rendered chart lacks {problem}") from problem


def _one(rendered: Sequence[Object], kind: str, ending: str = "") -> Object:
    for one in rendered:
        if one["kind"] == kind and one["metadata"]["name"].endswith(ending):
            return one
    raise NotInChartError(f"the rendered chart has no {kind} *{ending}")


def _direction(told: Object) -> Direction:
    policies = (Policy(one["type"], one["value"], one["periodSeconds"]) for one in told["policies"])
    return Direction(told["stabilizationWindowSeconds"], tuple(policies))


def _trigger(told: Object) -> Trigger:
    metadata: Mapping[str, str] = told["metadata"]
    if told["type"] == "cpu":
        return Trigger("cpu", told["metricType"], float(metadata["value"]))
    budget = re.search(r"/ ([0-9.]+)\)", metadata["query"])
    name, target = told["name"], float(metadata["threshold"])
    return Trigger(name, told["metricType"], target, float(budget[1]) if budget else 0.0)


def _drain(pod: Object, settings: Mapping[str, str]) -> Drain:
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    close_from = pause + int(settings["CHAT_DRAIN_NOTICE_S"])
    closed = close_from + int(settings["CHAT_DRAIN_CLOSE_S"])
    return Drain(close_from, closed, pod["terminationGracePeriodSeconds"])


def _seconds(text: str) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]


def _cores(text: str) -> float:
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)
