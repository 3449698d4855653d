"""Every expression parses and asks for what somebody exports; the hub is asked for what it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from extraction import (
    Expression,
    dashboards,
    expressions,
    in_dashboard,
    in_release,
    in_rules,
    read,
    release,
    rule_objects,
    rules,
)

from chat_service.observability.metrics import Metrics
from manifests import PLATFORM

pytestmark = pytest.mark.usefixtures("prometheus")

UPSTREAM = yaml.safe_load((Path(__file__).parent / "metrics.yaml").read_text())
TARGET = {"namespace", "service", "pod", "job", "instance", "container", "endpoint"}
"""Labels that the operator gives every scraped series."""
CLUSTER = {"cluster", "cloud", "environment", "region"}
"""And what is known of the cluster it comes from."""
AT_THE_HUB = {"ALERTS", "chat_append_seconds_bucket", "chat_delivery_seconds_bucket"}
"""Series of the clusters that go to the hub beside the levels; the histograms, because exemplars hang on them."""
OF_THE_HUB = {"argo-cd", "tekton", "crossplane"}
"""Who is scraped on the hub itself."""


@cache
def labels_of_the_service() -> dict[str, set[str]]:
    """The series of the chat service with their own labels."""
    registry = Metrics().registry
    parts = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    found = {}
    for family in registry.collect():
        collector = registry._names_to_collectors[family.name]
        for part in parts.get(family.type, ("",)):
            own = {*getattr(collector, "_labelnames", ()), *(["le"] if part == "_bucket" else [])}
            # What a target's label is called as well is renamed.
            found[family.name + part] = {f"exported_{label}" if label in TARGET else label for label in own}
    return found


@cache
def levels() -> dict[str, set[str]]:
    """The recorded series with the labels that they keep."""
    recorded = [rule for _, rule in rules() if "record" in rule]
    seen = read([str(rule["expr"]) for rule in recorded])
    found = {rule["record"]: set(one.groups) for rule, one in zip(recorded, seen, strict=True)}
    # What is made of a level alone has that level's labels.
    for rule, one in zip(recorded, seen, strict=True):
        if not one.groups:
            found[rule["record"]] = set().union(*(found.get(name, set()) for name in one.series))
    return found


def known() -> set[str]:
    names = {name for some in UPSTREAM.values() for name in some}
    return names | labels_of_the_service().keys() | levels().keys()


def problems_in(asked: list[Expression]) -> Iterator[str]:
    """What is wrong with expressions, a sentence each."""
    for one, seen in zip(asked, read([each.text for each in asked]), strict=True):
        if seen.error:
            yield f"{one.where}: {seen.error}"
        for name, matched in seen.series.items():
            if name not in known():
                yield f"{one.where} asks for {name or 'series without a name'}, which nobody exports"
            labels = levels().get(name)
            if labels is None and name in labels_of_the_service():
                labels = labels_of_the_service()[name] | TARGET
            if labels is not None:
                for label in sorted(set(matched) - labels - CLUSTER):
                    yield f"{one.where} asks {name} for the label {label}, which it does not have"


def unheard_of(name: str, dashboard: dict[str, Any]) -> list[str]:
    """What a dashboard asks for that never reaches the hub, where dashboards are."""
    there = {metric for exporter in OF_THE_HUB for metric in UPSTREAM[exporter]} | AT_THE_HUB | levels().keys()
    asked = list(in_dashboard(name, dashboard))
    return [
        f"{one.where} asks for {series}, which stays in its cluster"
        for one, seen in zip(asked, read([each.text for each in asked]), strict=True)
        for series in seen.series
        if series not in there
    ]


def test_every_expression_parses_and_asks_for_what_there_is() -> None:
    found = expressions()
    kinds = {one.where.split("/")[0].split()[0] for one in found}
    assert {"PrometheusRule", "ScaledObject", "AnalysisTemplate", "chat.json", "slo.json"} <= kinds
    assert len(found) > 150
    assert not list(problems_in(found))


def test_dashboards_ask_the_hub_only_for_what_it_is_told() -> None:
    assert not [problem for name, one in dashboards().items() for problem in unheard_of(name, one)]


def test_every_name_that_is_allowed_is_asked_for() -> None:
    """But for those of costs, whose dashboard may choose."""
    asked = {name for seen in read([one.text for one in expressions()]) for name in seen.series}
    free = {"opencost", "cadvisor", "kube-state-metrics"}
    unused = {name for who, names in UPSTREAM.items() if who not in free for name in names} - asked
    assert not unused


def test_the_hub_never_judges_what_clusters_judge() -> None:
    """Rules of a cluster and those of the hub have no series in common: the hub would record it a second time."""
    folder = PLATFORM / "observability" / "prometheus"
    of_hub = {one["metadata"]["name"] for path in folder.glob("hub/*.yaml") for one in _rules_in(path)}
    assert of_hub
    hub = [one for one in rule_objects() if one["metadata"]["name"] in of_hub]
    asked = {name for one in hub for seen in read([each.text for each in in_rules(one)]) for name in seen.series}
    assert not asked & labels_of_the_service().keys()


def _rules_in(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "PrometheusRule"]


def kept(name: str, filters: list[dict[str, Any]], labels: dict[str, str] | None = None) -> bool:
    """Whether a series passes the rules that are applied before it is written to the hub."""
    labels = {"__name__": name, **(labels or {})}
    for one in filters:
        value = one.get("separator", ";").join(labels.get(label, "") for label in one.get("sourceLabels", []))
        match = re.fullmatch(one.get("regex", "(.*)"), value)
        if one["action"].lower() == ("keep" if match is None else "drop"):
            return False
    return True


def _prometheus(file: str) -> dict[str, Any]:
    """What an add-on's file of values says of Prometheus."""
    path = PLATFORM / "addons" / "kube-prometheus-stack" / file
    return yaml.safe_load(path.read_text())["prometheus"]["prometheusSpec"]  # type: ignore[no-any-return]


def test_clusters_write_to_the_hub_what_it_is_asked_for() -> None:
    """What dashboards and the hub's rules read; and of two servers only one writes, or sums would double."""
    (target,) = _prometheus("values.yaml")["remoteWrite"]
    filters = target["writeRelabelConfigs"]
    asked = {
        name for one in _asked_of_the_hub() for name in one if name in levels() or name in AT_THE_HUB
    } - _recorded_there()
    assert len(asked) > 30
    assert not [
        name for name in sorted(asked) if not kept(name, filters, {"prometheus_replica": "prometheus-x-0"})
    ]
    assert target["sendExemplars"]
    assert not kept("chat_connections", filters, {"prometheus_replica": "prometheus-x-0"})
    assert not kept("namespace:chat_nodes:count", filters, {"prometheus_replica": "prometheus-x-1"})


def test_the_hub_is_one_server() -> None:
    """Writers that are spread over two leave half of what they say in each."""
    assert _prometheus("values-mgmt.yaml").get("replicas", 1) == 1


def test_every_series_knows_its_cluster() -> None:
    """Levels are recorded by cluster, and external labels are put only on what leaves."""
    (scraped,) = (one for one in _prometheus("values.yaml")["scrapeClasses"] if one["default"])
    (label,) = scraped["relabelings"]
    assert label == {
        "targetLabel": "cluster",
        "replacement": "{{ .Values.prometheus.prometheusSpec.externalLabels.cluster }}",
    }


def _asked_of_the_hub() -> list[set[str]]:
    asked = [each for name, one in dashboards().items() for each in in_dashboard(name, one)]
    asked += [
        each
        for one in rule_objects()
        if one["metadata"]["name"] in {"environments", "clusters"}
        for each in in_rules(one)
    ]
    return [set(seen.series) for seen in read([one.text for one in asked])]


def _recorded_there() -> set[str]:
    return {name for name in levels() if name.startswith("environment:")}


def test_what_passes_to_the_hub_is_decided_as_prometheus_does() -> None:
    keep = {"sourceLabels": ["__name__"], "regex": ".+:.+|ALERTS", "action": "keep"}
    drop = {"sourceLabels": ["a", "b"], "regex": "1;2", "action": "drop"}
    assert kept("x:y", [keep])
    assert not kept("x", [keep])
    assert not kept("x:y", [keep, drop], {"a": "1", "b": "2"})
    assert kept("x:y", [keep, drop, {"regex": "a", "action": "labeldrop"}], {"a": "1"})


BROKEN = [
    ("sum(rate(chat_sends_total[5m])", "unclosed left parenthesis"),
    ("sum(rate(chat_sends_total))", "expected type range vector"),
    ("sum(rate(chat_sends_totl[5m]))", "chat_sends_totl, which nobody exports"),
    ("gatekeeper_violation", "gatekeeper_violation, which nobody exports"),
    ("namespace:chat_sends:rate6m", "namespace:chat_sends:rate6m, which nobody exports"),
    ('{job="chat"}', "series without a name"),
    ('chat_sends_total{result="stored"}', "the label result"),
    ('namespace:chat_connections:sum{pod="a"}', "the label pod"),
    ('chat_jobs_lag_entries{queue="webhooks"}', "the label queue"),
]


@pytest.mark.parametrize(("text", "said"), BROKEN)
def test_a_broken_expression_is_caught(text: str, said: str) -> None:
    assert said in "\n".join(problems_in([Expression("here", text)]))


def test_an_expression_is_caught_wherever_it_stands() -> None:
    """In a rule, a panel, a variable, a trigger and an analysis."""
    broken: list[Expression] = []
    for one in (*rule_objects()[:1], *release()):
        if one["kind"] in {"PrometheusRule", "ScaledObject", "AnalysisTemplate"}:
            text = json.dumps(one).replace("chat_", "caht_").replace("namespace:", "namespaec:")
            changed = json.loads(text)
            broken += in_rules(changed) if one["kind"] == "PrometheusRule" else in_release(changed)
    text = json.dumps(dashboards()["chat.json"]).replace("namespace:chat_", "namespace:caht_")
    broken += in_dashboard("chat.json", json.loads(text))
    said = "\n".join(problems_in(broken))
    for place in (
        "PrometheusRule/",
        "ScaledObject/",
        "AnalysisTemplate/",
        "chat.json 'People",
        "chat.json $cluster",
    ):
        assert place in said


def test_a_panel_that_asks_for_what_stays_in_its_cluster_is_caught() -> None:
    text = json.dumps(dashboards()["chat.json"]).replace("namespace:chat_connections:sum", "chat_connections")
    assert "chat_connections, which stays in its cluster" in "\n".join(unheard_of("chat.json", json.loads(text)))
