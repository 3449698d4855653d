"""Every expression of PromQL here, with where it stands: in rules, dashboards, triggers and analyses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from manifests import PLATFORM, REPOSITORY, objects
from rendering import EVERYTHING, MODES, name_of, rendered

OBSERVABILITY = PLATFORM / "observability"
DASHBOARDS = OBSERVABILITY / "dashboards"
TOOLS = REPOSITORY / ".cache" / "tools"
PROMQL, PROMTOOL = TOOLS / "promql", TOOLS / "promtool"

_RANGES = {"$__rate_interval": "5m", "$__range": "1h", "$__interval": "1m"}
"""What Grafana puts in for its own variables, where only a duration can stand."""


@dataclass(frozen=True)
class Expression:
    """One expression; `where` leads a reader to it."""

    where: str
    text: str


@dataclass(frozen=True)
class Seen:
    """What Prometheus's parser sees: the series with the labels matched, and the labels grouped by."""

    series: dict[str, list[str]]
    groups: list[str]
    error: str = ""


def read(texts: Sequence[str]) -> list[Seen]:
    """What is in each of these expressions."""
    given = "".join(f"{json.dumps(text)}\n" for text in texts)
    done = subprocess.run([PROMQL], input=given, capture_output=True, text=True, check=True)
    return [Seen(**json.loads(line)) for line in done.stdout.splitlines()]


def in_rules(one: dict[str, Any]) -> Iterator[Expression]:
    """The expressions of a PrometheusRule."""
    for group in one["spec"]["groups"]:
        for rule in group["rules"]:
            yield Expression(f"{name_of(one)} {rule.get('alert') or rule.get('record')}", str(rule["expr"]))


def in_dashboard(name: str, dashboard: dict[str, Any]) -> Iterator[Expression]:
    """The expressions of a dashboard's panels and variables that Prometheus is asked."""
    for variable in dashboard.get("templating", {}).get("list", []):
        query = variable.get("query", "")
        query = query.get("query", "") if isinstance(query, dict) else query
        if found := re.fullmatch(r"label_values\((.+), *\w+\)", query):
            yield Expression(f"{name} ${variable['name']}", found[1])
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            source = target.get("datasource") or panel.get("datasource") or {"type": "prometheus"}
            if source["type"] == "prometheus":
                text = target["expr"]
                for variable, duration in _RANGES.items():
                    text = text.replace(variable, duration)
                yield Expression(f"{name} {panel['title']!r}", text)


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard, those in folded rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def in_release(one: dict[str, Any]) -> Iterator[Expression]:
    """What KEDA and the analysis of a canary ask Prometheus."""
    spec = one.get("spec", {})
    if one["kind"] == "ScaledObject":
        asked = [trigger for trigger in spec["triggers"] if trigger["type"] == "prometheus"]
        yield from (Expression(f"{name_of(one)} {each['name']}", each["metadata"]["query"]) for each in asked)
    elif one["kind"] == "AnalysisTemplate":
        asked = [metric for metric in spec["metrics"] if "prometheus" in metric["provider"]]
        yield from (
            Expression(f"{name_of(one)} {each['name']}", each["provider"]["prometheus"]["query"]) for each in asked
        )


@cache
def release() -> tuple[dict[str, Any], ...]:
    """The objects of the chart with every option, in both modes."""
    return tuple(one for mode in MODES for one in rendered(f"--set=mode={mode}", values=EVERYTHING))


@cache
def rule_objects() -> tuple[dict[str, Any], ...]:
    """Every PrometheusRule: the platform's, and the chart's as it is rendered."""
    ours = [one.content for one in objects() if one.content["kind"] == "PrometheusRule"]
    chart = {name_of(one): one for one in release() if one["kind"] == "PrometheusRule"}
    return (*ours, *chart.values())


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    """The dashboards by their files' names."""
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def expressions() -> list[Expression]:
    """All of them."""
    found = [each for one in rule_objects() for each in in_rules(one)]
    found += [each for name, one in dashboards().items() for each in in_dashboard(name, one)]
    return found + [each for one in release() for each in in_release(one)]


def rules() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every rule with the PrometheusRule that it is of."""
    for one in rule_objects():
        for group in one["spec"]["groups"]:
            yield from ((one, rule) for rule in group["rules"])


def written(rule: dict[str, Any], folder: Path) -> Path:
    """A PrometheusRule as the file that Prometheus reads, named like it."""
    file = folder / f"{rule['metadata']['name']}.json"
    file.write_text(json.dumps({"groups": rule["spec"]["groups"]}))
    return file


def levels_named() -> set[str]:
    """The names of all recorded series."""
    return {rule["record"] for _, rule in rules() if "record" in rule}
