"""Dashboards are what Grafana takes, tidy enough to be kept by hand, and each becomes a ConfigMap."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from extraction import DASHBOARDS, dashboards, panels

from api_schemas import problems_of
from rendering import helm
from rendering import objects as objects_in

TYPES = {
    "timeseries",
    "stat",
    "table",
    "bargauge",
    "gauge",
    "logs",
    "state-timeline",
    "heatmap",
    "row",
    "piechart",
    "text",
}
OURS = {"chat", "delivery", "slo", "security", "autoscaling", "cicd"}


def problems_with(dashboard: dict[str, Any]) -> list[str]:
    """What is wrong with a dashboard, a sentence each."""
    found = [f"it has no {key}" for key in ("uid", "title", "schemaVersion", "panels") if not dashboard.get(key)]
    if "id" in dashboard:
        found.append("it has an id, which is one server's own")
    taken: dict[tuple[int, int], str] = {}
    for panel in panels(dashboard):
        title = panel.get("title", "?")
        if panel["type"] not in TYPES:
            found.append(f"{title} is of type {panel['type']}, which Grafana does not bring")
        if panel["type"] not in {"row", "text"} and not (panel.get("description") and panel.get("targets")):
            found.append(f"{title} does not say what it shows")
        if panel["type"] in {"timeseries", "stat", "bargauge"} and not panel["fieldConfig"]["defaults"].get(
            "unit"
        ):
            found.append(f"{title} has no unit")
        refs = [target["refId"] for target in panel.get("targets", [])]
        if len(set(refs)) != len(refs):
            found.append(f"{title} has two targets of one name")
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if x > 23 or (x, y) in taken:
                    found.append(f"{title} lies on {taken.get((x, y), 'the edge')}")
                taken[x, y] = title
    return sorted(set(found))


def test_there_is_one_for_everything_that_is_watched() -> None:
    assert {name.removesuffix(".json") for name in dashboards()} >= OURS


@pytest.mark.parametrize("name", dashboards())
def test_a_dashboard_is_what_grafana_takes(name: str) -> None:
    assert not problems_with(dashboards()[name])


def test_no_two_dashboards_have_one_address() -> None:
    for key in ("uid", "title"):
        given = sorted(one[key] for one in dashboards().values())
        assert all(one != other for one, other in pairwise(given))


@pytest.mark.usefixtures("prometheus", "schemas")
def test_every_dashboard_becomes_a_config_map() -> None:
    """By what Argo CD does with a chart; the sidecar finds it by its label, and gets it as it is in Git."""
    made = list(objects_in(helm("template", "dashboards", str(DASHBOARDS), "--namespace=observability")))
    assert not [problem for one in made for problem in problems_of(one)]
    assert {file for one in made for file in one["data"]} == set(dashboards())
    for one in made:
        assert one["kind"] == "ConfigMap"
        assert one["metadata"]["labels"] == {"grafana_dashboard": "1"}
        ((file, text),) = one["data"].items()
        assert json.loads(text) == dashboards()[file]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('"uid": "chat-chat"', '"uid": ""', "no uid"),
        ('"type": "stat"', '"type": "singlestat"', "does not bring"),
        ('"x": 8, "y": 0', '"x": 7, "y": 0', "lies on"),
        ('"x": 16, "y": 0', '"x": 20, "y": 0', "the edge"),
        ('"unit": "wps"', '"unti": "wps"', "has no unit"),
        ('"refId": "B"', '"refId": "A"', "two targets"),
    ],
)
def test_a_broken_dashboard_is_caught(right: str, wrong: str, said: str) -> None:
    texts = [json.dumps(one) for one in dashboards().values()]
    (text, *_) = (text for text in texts if right in text)
    assert said in "\n".join(problems_with(json.loads(text.replace(right, wrong, 1))))
