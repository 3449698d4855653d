"""What a namespace costs is added up from series that OpenCost has, and shown by levels that the hub is told."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import pytest
import yaml

from api_schemas import problems_of
from manifests import PLATFORM

FOLDER = PLATFORM / "cost"
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "rules.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((PLATFORM / "observability" / "dashboards" / "cost.json").read_text())
PRICES = {"CPU", "spotCPU", "RAM", "spotRAM", "GPU", "storage"} | {
    f"{way}NetworkEgress" for way in ("zone", "region", "internet")
}

OF_OPENCOST = {
    "container_cpu_allocation",
    "container_memory_allocation_bytes",
    "kubecost_load_balancer_cost",
    "node_cpu_hourly_cost",
    "node_ram_hourly_cost",
    "node_total_hourly_cost",
    "pod_pvc_allocation",
    "pv_hourly_cost",
}
"""The series of OpenCost 1.120 that are used here: its page of metrics."""

ELSEWHERE = {"namespace:chat_connections:sum"}
"""A level of platform/observability."""

_WORDS = {
    "sum",
    "max",
    "by",
    "on",
    "group_left",
    "or",
    "and",
    "offset",
    "sort_desc",
    "namespace",
    "cluster",
    "node",
}
_WORDS |= {"persistentvolume", "w"}


def levels(rules: dict[str, Any]) -> dict[str, str]:
    """The expressions of recorded series by their names."""
    found = (rule for group in rules["spec"]["groups"] for rule in group["rules"])
    return {rule["record"]: rule["expr"] for rule in found if "record" in rule}


def series_in(expression: str) -> set[str]:
    """Names of series: words outside of braces that are no part of PromQL."""
    bare = re.sub(r"\{[^}]*\}", "", expression)
    return set(re.findall(r"[a-z_][a-z_0-9:]*", re.sub(r"\b\d+\w*", "", bare))) - _WORDS


def problems_of_cost(rules: dict[str, Any], dashboard: dict[str, Any]) -> Iterator[str]:
    """What would show nothing, or show it where nobody looks."""
    recorded = levels(rules)
    for group in rules["spec"]["groups"]:
        for rule in group["rules"]:
            name = rule.get("record") or rule["alert"]
            for missing in sorted(series_in(rule["expr"]) - OF_OPENCOST - recorded.keys()):
                yield f"{name} asks for {missing}, which nobody has"
            if "record" in rule and not re.fullmatch(r"(namespace|cluster):\w+:sum", rule["record"]):
                yield f"{name} is not named like a level, and stays in its cluster"
    yield from _shown(recorded.keys(), dashboard)


def _shown(recorded: Collection[str], dashboard: dict[str, Any]) -> Iterator[str]:
    shown = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            asked = series_in(target["expr"])
            shown |= asked
            for missing in sorted(asked - {*recorded} - ELSEWHERE):
                yield f"{panel['title']!r} asks for {missing}, which the hub is not told"
        if panel["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
            yield f"{panel['title']!r} has a source of its own"
    for forgotten in sorted({*recorded} - shown):
        yield f"{forgotten} is shown nowhere"
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    for used in sorted(set(re.findall(r"\$\{?([a-z]+)", json.dumps(dashboard["panels"]))) - variables):
        yield f"the variable {used} does not exist"


def test_every_namespace_has_its_price() -> None:
    assert list(problems_of_cost(RULES, DASHBOARD)) == []
    assert (DASHBOARD["uid"], DASHBOARD["schemaVersion"]) == ("chat-cost", 41)
    total = levels(RULES)["namespace:cost_usd_per_hour:sum"]
    parts = {name for name in levels(RULES) if re.fullmatch(r"namespace:[a-z]+_cost_usd_per_hour:sum", name)}
    assert len(parts) == 4
    assert series_in(total) == parts


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        (
            "rules",
            "container_cpu_allocation",
            "container_cpu_allocated",
            "container_cpu_allocated, which nobody has",
        ),
        ("rules", "cluster:node_cost_usd_per_hour:sum", "node_cost_usd", "not named like a level"),
        ("dashboard", "namespace:cost_usd_per_hour:sum{", "namespace:cost_usd:sum{", "which the hub is not told"),
        ("dashboard", '"${datasource}"', '"prometheus"', "a source of its own"),
        ("dashboard", "$namespace", "$room", "the variable room"),
        (
            "dashboard",
            "namespace:balancer_cost",
            "namespace:volume_cost",
            "balancer_cost_usd_per_hour:sum is shown",
        ),
    ],
)
def test_a_broken_copy_is_caught(file: str, right: str, wrong: str, said: str) -> None:
    texts = {"rules": json.dumps(RULES), "dashboard": json.dumps(DASHBOARD)}
    assert right in texts[file]
    texts[file] = texts[file].replace(right, wrong)
    assert said in "\n".join(problems_of_cost(json.loads(texts["rules"]), json.loads(texts["dashboard"])))


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("file", ["rules.yaml", "prices.yaml"])
def test_a_wrong_field_is_caught(file: str) -> None:
    one = yaml.safe_load((FOLDER / file).read_text())
    assert problems_of(one) == []
    broken = copy.deepcopy(one)
    broken["noSuchField"] = 1
    assert problems_of(broken)


def problems_of_prices(text: str) -> Iterator[str]:
    """What OpenCost would not read, or read as free of charge."""
    told = json.loads(text)
    prices = {key: value for key, value in told.items() if key not in {"provider", "description"}}
    if prices.keys() != PRICES:
        yield f"prices are {sorted(prices)}"
    for key, value in prices.items():
        # It reads numbers from texts, and takes what it cannot read for nothing.
        if not isinstance(value, str) or not float(value) > 0:
            yield f"{key} is {value!r}"
    if "spotCPU" in prices and float(prices["spotCPU"]) >= float(prices["CPU"]):
        yield "spot machines are not cheaper"


def test_machines_without_a_price_list_have_a_price() -> None:
    config = yaml.safe_load((FOLDER / "prices.yaml").read_text())
    assert (config["metadata"]["name"], config["metadata"]["namespace"]) == ("opencost-prices", "opencost")
    text = config["data"]["default.json"]
    assert list(problems_of_prices(text)) == []
    assert list(problems_of_prices(text.replace('"0.032"', "0.032"))) == ["CPU is 0.032"]
    assert list(problems_of_prices(text.replace('"spotCPU"', '"spotCpu"')))
    assert list(problems_of_prices(text.replace("0.011", "0.2"))) == ["spot machines are not cheaper"]
