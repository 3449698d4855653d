"""Logs and traces find their way: the agent's components fit together, and Grafana leads from one to the other."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
from typing import Any

import pytest
import structlog
import yaml
from extraction import OBSERVABILITY, dashboards, levels_named, panels

from chat_service.observability.logging import configure_logging
from manifests import PLATFORM, REPOSITORY, objects

# Whoever installs the agent gives these; the last one the chart does itself.
ENVIRONMENT = {"CLUSTER", "ENVIRONMENT", "HOSTNAME"}
LABELS = {"namespace", "app", "component", "container", "level", "cluster", "environment"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def config_map(name: str) -> dict[str, str]:
    (found,) = (
        one.content
        for one in objects(OBSERVABILITY)
        if one.content["kind"] == "ConfigMap" and one.content["metadata"]["name"] == name
    )
    return found["data"]  # type: ignore[no-any-return]


def configuration() -> str:
    return config_map("alloy-config")["config.alloy"]


def problems_of_agent(reader: str, text: str) -> list[str]:
    """What Alloy's parser says, and which components refer to one that is not there."""
    done = subprocess.run([reader], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        return [done.stderr]
    components: list[dict[str, Any]] = json.loads(done.stdout)
    there = {one["name"] for one in components}
    found = [
        f"{one['name']} refers to {reference}, which is not there"
        for one in components
        for reference in one["refers"]
        if reference != "sys.env" and reference.rpartition(".")[0] not in there
    ]
    used = {reference.rpartition(".")[0] for one in components for reference in one["refers"]}
    ends = {name for name in there if name.startswith(("loki.source", "otelcol.receiver"))}
    found += [f"nobody hands anything to {name}" for name in sorted(there - used - ends)]
    found += [
        f"the variable {name} is given by nobody"
        for name in sorted(set(re.findall(r'sys\.env\("(\w+)"\)', text)) - ENVIRONMENT)
    ]
    return found


def test_the_agent_s_components_fit_together(alloy: str) -> None:
    assert not problems_of_agent(alloy, configuration())


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('role = "pod"', 'role = "pod', "not terminated"),
        ("loki.write.hub.receiver", "loki.write.hbu.receiver", "loki.write.hbu.receiver, which is not there"),
        ('loki.write "hub"', 'loki.write "hubs"', "nobody hands anything to loki.write.hubs"),
        ("otelcol.processor.batch.spans.input", "otelcol.processor.bach.spans.input", "which is not there"),
        ('sys.env("CLUSTER")', 'sys.env("CLUSTR")', "CLUSTR is given by nobody"),
    ],
)
def test_a_broken_configuration_of_the_agent_is_caught(alloy: str, right: str, wrong: str, said: str) -> None:
    assert right in configuration()
    assert said in "\n".join(problems_of_agent(alloy, configuration().replace(right, wrong)))


def test_labels_are_few_and_of_few_values() -> None:
    """Each further label multiplies the streams of Loki; pods, nodes and traces are metadata of lines."""
    text = configuration()
    targets = set(re.findall(r'target_label\s+= "([a-z]\w*)"', text)) | {"cluster", "environment"}
    (as_labels,) = re.findall(r"stage\.labels \{\s+values = \{([^}]+)\}", text)
    (as_metadata,) = re.findall(r"stage\.structured_metadata \{\s+values = \{([^}]+)\}", text)
    metadata = set(re.findall(r"(\w+) =", as_metadata))
    assert {"trace_id", "span_id", "pod", "node"} == metadata
    assert (targets | set(re.findall(r"(\w+) =", as_labels))) - metadata == LABELS


def line_of_the_service() -> dict[str, Any]:
    """A line as the service writes it for machines, within a trace."""
    stream = io.StringIO()
    before = (logging.getLogger().handlers, logging.getLogger().level, sys.excepthook, threading.excepthook)
    try:
        configure_logging("info", "json", "node-1", stream)
        structlog.get_logger("chat").warning("something", trace_id=TRACE, span_id="00f067aa0ba902b7")
    finally:
        root = logging.getLogger()
        root.handlers, root.level, sys.excepthook, threading.excepthook = before
        logging.captureWarnings(False)
        structlog.reset_defaults()
    return {"line": stream.getvalue().strip(), **json.loads(stream.getvalue())}


def test_the_agent_takes_out_of_a_line_what_the_service_puts_in() -> None:
    line = line_of_the_service()
    (fields,) = re.findall(r"stage\.json \{\s+expressions = \{([^}]+)\}", configuration())
    assert set(re.findall(r"(\w+) =", fields)) <= line.keys()


def sources() -> dict[str, dict[str, Any]]:
    listed = yaml.safe_load(config_map("observability-datasources")["datasources.yaml"])["datasources"]
    return {one["uid"]: one for one in listed}


def uids_in(value: object) -> set[str]:
    """Every data source that is referred to."""
    if isinstance(value, dict):
        here = {value["datasourceUid"]} if "datasourceUid" in value else set()
        return here.union(*map(uids_in, value.values()))
    return set().union(*map(uids_in, value)) if isinstance(value, list) else set()


def source_problems(those: dict[str, dict[str, Any]]) -> list[str]:
    """References between data sources that lead nowhere, and ways between them that are missing."""
    found = [f"nothing is called {uid}" for uid in sorted(uids_in(list(those.values())) - those.keys())]
    ways = {uid: uids_in(one["jsonData"]) for uid, one in those.items()}
    for start, end in (("prometheus", "tempo"), ("loki", "tempo"), ("tempo", "loki"), ("tempo", "prometheus")):
        if end not in ways.get(start, set()):
            found.append(f"no way leads from {start} to {end}")
    return found


def test_from_a_measurement_to_its_trace_to_its_lines_and_back() -> None:
    assert not source_problems(sources())
    (exemplar,) = sources()["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplar["name"] == "trace_id"


def test_a_line_of_the_service_leads_to_its_trace() -> None:
    (pattern,) = (
        one["matcherRegex"] for one in sources()["loki"]["jsonData"]["derivedFields"] if "matcherType" not in one
    )
    assert re.findall(pattern, line_of_the_service()["line"]) == [TRACE]


def test_a_trace_leads_to_lines_by_labels_that_they_have() -> None:
    jump = sources()["tempo"]["jsonData"]["tracesToLogsV2"]
    assert {tag["value"] for tag in jump["tags"]} <= LABELS
    assert 'trace_id="$${__trace.traceId}"' in jump["query"]
    for tag in jump["tags"]:
        assert f'"{tag["key"]}"' in configuration()


@pytest.mark.usefixtures("prometheus")
def test_a_trace_leads_to_levels_that_are_recorded() -> None:
    for query in sources()["tempo"]["jsonData"]["tracesToMetrics"]["queries"]:
        assert query["query"].partition("{")[0] in levels_named()


def test_dashboards_ask_sources_that_there_are() -> None:
    """By name, or by a variable that lets the reader choose one."""
    for name, dashboard in dashboards().items():
        variables = dashboard["templating"]["list"]
        asked = {one["datasource"]["uid"] for one in (*panels(dashboard), *variables) if "datasource" in one}
        chosen = {f"${{{one['name']}}}" for one in variables if one["type"] == "datasource"}
        assert asked <= sources().keys() | chosen, name


def test_a_source_that_is_not_there_and_a_way_that_is_missing_are_caught() -> None:
    broken = sources()
    broken["loki"]["jsonData"]["derivedFields"][0]["datasourceUid"] = "tmepo"
    del broken["tempo"]["jsonData"]["tracesToLogsV2"]
    said = "\n".join(source_problems(broken))
    assert "tmepo" in said
    assert "no way leads from tempo to loki" in said


def told_as_kept() -> dict[str, list[int]]:
    """The days of each row of the page's table of what is kept."""
    page = (REPOSITORY / "docs" / "operations" / "observability.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]*\d+[^|]*) \|$", page, re.MULTILINE)
    return {where: [int(number) for number in re.findall(r"\d+", days)] for where, days in rows}


def values_of(addon: str, cluster: str = "") -> Any:
    return yaml.safe_load((PLATFORM / "addons" / addon / f"values{cluster}.yaml").read_text())


def test_what_is_kept_is_kept_as_long_as_the_page_says() -> None:
    loki = values_of("loki")["loki"]["limits_config"]
    (production,) = loki["retention_stream"]
    assert production["selector"] == '{environment="prod"}'
    stack, hub = (values_of("kube-prometheus-stack", cluster) for cluster in ("", "-mgmt"))
    assert {
        "its Prometheus": [stack["prometheus"]["prometheusSpec"]["retention"]],
        "Prometheus of the hub": [hub["prometheus"]["prometheusSpec"]["retention"]],
    } == {where: [f"{told_as_kept()[where][0]}d"] for where in ("its Prometheus", "Prometheus of the hub")}
    assert {
        "Loki of the hub": [loki["retention_period"], production["period"]],
        "Tempo of the hub": [values_of("tempo")["tempo"]["retention"]],
    } == {
        where: [f"{24 * days}h" for days in told_as_kept()[where]]
        for where in ("Loki of the hub", "Tempo of the hub")
    }
