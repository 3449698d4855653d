"""Rules do what they promise on series: every alert fires when it should and only then, every level adds up."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from extraction import PROMTOOL, rule_objects, rules, written

from chat_service.observability.metrics import Metrics
from manifests import REPOSITORY

SERIES = Path(__file__).parent / "series"
PAGES = "https://git.example.org/chat/platform/blob/main/"
INDEX = REPOSITORY / "docs" / "runbooks" / "README.md"
SEVERITIES = {"critical", "warning"}
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'
"""The question by which tests see what fires; its answer names everything that does."""

pytestmark = pytest.mark.usefixtures("prometheus")


def said_by(*arguments: str | Path, folder: Path) -> str:
    """What promtool objects to; nothing where it agrees."""
    done = subprocess.run(
        [PROMTOOL, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def on_series(rule: dict[str, Any], folder: Path) -> str:
    """What promtool says of a PrometheusRule on the series of its file in `series`."""
    name = rule["metadata"]["name"]
    test = yaml.safe_load((SERIES / f"{name}.yaml").read_text())
    test["rule_files"] = [written(rule, folder).name]
    # Else promtool takes them in any order, and an alert may see the level of one round before.
    test["group_eval_order"] = [group["name"] for group in rule["spec"]["groups"]]
    (folder / "test.json").write_text(json.dumps(test))
    return said_by("test", "rules", "test.json", folder=folder)


def of_name(name: str) -> dict[str, Any]:
    """A PrometheusRule, free to be changed."""
    (found,) = (one for one in rule_objects() if one["metadata"]["name"] == name)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def names() -> list[str]:
    return sorted(path.stem for path in SERIES.glob("*.yaml"))


def test_every_file_of_rules_has_series_and_a_name_of_its_own() -> None:
    assert sorted(one["metadata"]["name"] for one in rule_objects()) == names()


@pytest.mark.parametrize("name", names())
def test_prometheus_takes_the_rules(name: str, tmp_path: Path) -> None:
    file = written(of_name(name), tmp_path)
    assert not said_by("check", "rules", "--lint=all", "--lint-fatal", file, folder=tmp_path)


@pytest.mark.parametrize("name", names())
def test_rules_do_on_series_what_they_promise(name: str, tmp_path: Path) -> None:
    assert not on_series(of_name(name), tmp_path)


@pytest.mark.parametrize("name", names())
def test_every_rule_is_seen_at_work(name: str) -> None:
    """Each alert is seen firing in one test and silent in another; of each level a value is expected."""
    tests = yaml.safe_load((SERIES / f"{name}.yaml").read_text())["tests"]
    asked = [each for test in tests for each in test.get("promql_expr_test", [])]
    fired = [
        set(re.findall(r'alertname="(\w+)"', str(each.get("exp_samples", []))))
        for each in asked
        if each["expr"] == FIRING
    ]
    values = " ".join(each["expr"] for each in asked if each.get("exp_samples"))
    for group in of_name(name)["spec"]["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert any(rule["alert"] in some for some in fired), f"{rule['alert']} is never seen firing"
                assert any(rule["alert"] not in some for some in fired), f"{rule['alert']} is never seen silent"
            else:
                assert re.search(rf"(?<![\w:]){rule['record']}(?![\w:])", values), f"no value of {rule['record']}"


def runbook_problems(rule: dict[str, Any]) -> str:
    """What is wrong with where an alert sends the one who is called."""
    url = rule.get("annotations", {}).get("runbook_url", "")
    page, _, section = url.removeprefix(PAGES).partition("#")
    file = REPOSITORY / page
    if not url.startswith(PAGES) or not file.is_file():
        return f"{rule['alert']} leads to no page: {url!r}"
    headings = re.findall(r"^## (.+)$", file.read_text(), re.MULTILINE)
    if section != rule["alert"].lower() or rule["alert"] not in headings:
        return f"{page} has no section {rule['alert']}"
    return ""


def test_every_alert_has_a_runbook_that_exists() -> None:
    problems = [runbook_problems(rule) for _, rule in rules() if "alert" in rule]
    assert len(problems) > 30
    assert not list(filter(None, problems))


def test_every_section_of_a_runbook_is_an_alert() -> None:
    """Those of the pages that alerts lead to: what no alert leads to any more is forgotten there."""
    alerts = {rule["alert"] for _, rule in rules() if "alert" in rule}
    pages = {
        rule["annotations"]["runbook_url"].removeprefix(PAGES).partition("#")[0]
        for _, rule in rules()
        if "alert" in rule
    }
    for page in pages:
        headings = re.findall(r"^## (.+)$", (REPOSITORY / page).read_text(), re.MULTILINE)
        assert not set(headings) - alerts, page


def test_the_index_of_runbooks_has_every_alert_and_where_it_leads() -> None:
    listed = re.findall(r"^\| (\w+) \| \[.+\]\((.+)\) \|$", INDEX.read_text(), re.MULTILINE)
    alerts = {rule["alert"]: rule["annotations"]["runbook_url"] for _, rule in rules() if "alert" in rule}
    assert dict(listed) == {alert: url.removeprefix(f"{PAGES}docs/runbooks/") for alert, url in alerts.items()}
    assert [alert for alert, _ in listed] == sorted(alerts)


def test_every_alert_says_how_bad_and_what() -> None:
    for _, rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in SEVERITIES, rule["alert"]
            assert rule["annotations"]["summary"].endswith((".", ").")), rule["alert"]


def test_no_name_is_given_twice() -> None:
    """Neither an alert of the chart that the platform has too, nor a level that is recorded twice."""
    given = [rule.get("alert") or rule["record"] for _, rule in rules()]
    assert sorted(given) == sorted(set(given))


def test_the_promise_of_delivery_is_a_bucket_of_the_service() -> None:
    """Where it is none, late deliveries could only be estimated."""
    (rule,) = (rule for _, rule in rules() if rule.get("record") == "namespace:chat_deliveries_late:rate5m")
    (bound,) = re.findall(r'le="([\d.]+)"', rule["expr"])
    assert float(bound) in Metrics().delivery_seconds._upper_bounds


# Rule, what stands in it, what the broken copy has there, and what has to be said.
BROKEN = [
    ("policies", "> 900", "> 9000", "PolicyAuditStale"),
    ("policies", 'enforcement_action=\\"deny\\"', 'enforcement_action=\\"warn\\"', "PolicyViolated"),
    ("chat-objectives", "[1h]) * 3600 > 100", "[1h]) * 3600 > 1", "ChatSendsBurnFast"),
    ("chat-objectives", 'le=\\"0.2\\"', 'le=\\"0.25\\"', "chat_deliveries_late"),
    ("chat-levels", "max by (cluster, namespace, job)", "sum by (cluster, namespace, job)", "jobs_lag"),
    ("chat", "> 0.01", "> 0.1", "ChatSendsFail"),
    ("clusters", "unless on (cluster)", "and on (cluster)", "ClusterSilent"),
]


@pytest.mark.parametrize(("name", "right", "wrong", "said"), BROKEN, ids=lambda text: text[:30])
def test_a_broken_rule_is_caught_by_its_series(
    name: str, right: str, wrong: str, said: str, tmp_path: Path
) -> None:
    text = json.dumps(of_name(name))
    assert right in text
    answer = on_series(json.loads(text.replace(right, wrong)), tmp_path)
    assert "FAILED" in answer
    assert said in answer


def test_a_typo_is_caught(tmp_path: Path) -> None:
    for broken in ({"expr": "sum by (cluster (up)"}, {"annotations": {"summary": "{{ $value | humanise }}"}}):
        rule = of_name("telemetry")
        rule["spec"]["groups"][0]["rules"][0].update(broken)
        assert "FAILED" in said_by("check", "rules", written(rule, tmp_path), folder=tmp_path)


def test_an_alert_without_its_runbook_is_caught() -> None:
    alert = of_name("telemetry")["spec"]["groups"][0]["rules"][0]
    assert not runbook_problems(alert)
    for url in (
        "",
        f"{PAGES}docs/runbooks/none.md#logsdropped",
        f"{PAGES}docs/runbooks/telemetry.md#spansdropped",
    ):
        assert runbook_problems({**alert, "annotations": {"runbook_url": url}})
