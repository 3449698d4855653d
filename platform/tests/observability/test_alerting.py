"""Who hears of an alert: routes as Alertmanager walks them, what is told once, where secrets come from."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from extraction import OBSERVABILITY, rules

from manifests import objects

Route = dict[str, Any]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one.content for one in objects(OBSERVABILITY) if one.content["kind"] == kind]


def spec() -> dict[str, Any]:
    (found,) = of_kind("AlertmanagerConfig")
    return copy.deepcopy(found["spec"])


def matches(matchers: list[dict[str, str]], labels: dict[str, str]) -> bool:
    """Whether an alert is meant; a label that it does not have is an empty one."""
    for one in matchers:
        value = labels.get(one["name"], "")
        equal = one["matchType"] in {"=", "!="}
        same = value == one["value"] if equal else re.fullmatch(one["value"], value) is not None
        if same == one["matchType"].startswith("!"):
            return False
    return True


def routed(route: Route, labels: dict[str, str]) -> list[Route]:
    """The routes that an alert ends at: the deepest that match, and the next ones where one says to go on."""
    ends: list[Route] = []
    for child in route.get("routes", []):
        if matches(child.get("matchers", []), labels):
            ends += routed(child, labels)
            if not child.get("continue"):
                break
    return ends or [route]


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"severity": "critical", "environment": "prod"}, "page"),
        ({"severity": "critical", "environment": "mgmt"}, "page"),
        ({"severity": "warning", "environment": "prod"}, "channel"),
        ({"severity": "critical", "environment": "staging"}, "channel"),
        ({"severity": "critical", "environment": "dev"}, "channel"),
        ({"severity": "info", "environment": "prod"}, "nobody"),
        ({"alertname": "InfoInhibitor", "severity": "none", "environment": "prod"}, "nobody"),
        ({"alertname": "Watchdog", "severity": "none", "environment": "prod"}, "heartbeat"),
        ({"alertname": "ForgottenLabels"}, "channel"),
    ],
)
def test_an_alert_finds_who_has_to_know(labels: dict[str, str], receiver: str) -> None:
    (end,) = routed(spec()["route"], labels)
    assert end["receiver"] == receiver


def test_only_development_is_silent_out_of_hours() -> None:
    for environment in ("dev", "staging", "prod", "mgmt"):
        for severity in ("critical", "warning"):
            (end,) = routed(spec()["route"], {"severity": severity, "environment": environment})
            assert bool(end.get("muteTimeIntervals")) == (environment == "dev")


def quiet_problems(config: dict[str, Any]) -> Iterator[str]:
    """What no schema sees: names in routes that nobody has, days in no order, alerts that no rule gives."""
    receivers = {one["name"] for one in config["receivers"]}
    intervals = {one["name"] for one in config.get("muteTimeIntervals", [])}
    waiting = [config["route"]]
    while waiting:
        route = waiting.pop()
        waiting += route.get("routes", [])
        if route["receiver"] not in receivers:
            yield f"a route leads to {route['receiver']}, which is no receiver"
        yield from (
            f"a route is silent in {name}" for name in route.get("muteTimeIntervals", []) if name not in intervals
        )
    yield from _days_in_disorder(config.get("muteTimeIntervals", []))
    alerts = {rule["alert"] for _, rule in rules() if "alert" in rule}
    for inhibition in config["inhibitRules"]:
        for one in (*inhibition["sourceMatch"], *inhibition["targetMatch"]):
            if one["name"] == "alertname":
                for name in one["value"].split("|"):
                    if name not in alerts:
                        yield f"an inhibition names {name}, which no rule gives"


def _days_in_disorder(intervals: list[dict[str, Any]]) -> Iterator[str]:
    """Alertmanager's week begins on Sunday, and it refuses its whole configuration for a range across that."""
    days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
    for one in intervals:
        for weekdays in (each for interval in one["timeIntervals"] for each in interval.get("weekdays", [])):
            first, _, last = weekdays.partition(":")
            if days.index(first) > days.index(last or first):
                yield f"{one['name']} has the days {weekdays}, which end before they begin"


@pytest.mark.usefixtures("prometheus")
def test_every_name_in_the_routes_exists() -> None:
    assert not list(quiet_problems(spec()))


@pytest.mark.usefixtures("prometheus")
def test_a_route_to_nowhere_and_an_alert_that_is_none_are_caught() -> None:
    broken = spec()
    broken["route"]["routes"][0]["receiver"] = "hartbeat"
    broken["route"]["routes"][-1]["muteTimeIntervals"] = ["at-night"]
    broken["muteTimeIntervals"][0]["timeIntervals"][0]["weekdays"] = ["saturday:sunday"]
    broken["inhibitRules"][1]["sourceMatch"][0]["value"] = "ChatStoreDwon"
    said = "\n".join(quiet_problems(broken))
    assert "hartbeat" in said
    assert "at-night" in said
    assert "end before they begin" in said
    assert "ChatStoreDwon" in said


def test_a_page_is_not_followed_by_its_own_ticket() -> None:
    """Of a budget that burns fast the slow alert says nothing new; of another cluster it does."""
    for fast, slow in (
        ("ChatSendsBurnFast", "ChatSendsBurnSlow"),
        ("ChatDeliveryBurnFast", "ChatDeliveryBurnSlow"),
    ):
        (rule,) = (
            one
            for one in spec()["inhibitRules"]
            if matches(one["sourceMatch"], {"alertname": fast})
            and matches(one["targetMatch"], {"alertname": slow})
        )
        assert rule["equal"] == ["cluster"]


def secrets_named(value: object) -> Iterator[tuple[str, str]]:
    """Name and key of every Secret that is referred to."""
    if isinstance(value, dict):
        if value.keys() == {"name", "key"}:
            yield value["name"], value["key"]
        for item in value.values():
            yield from secrets_named(item)
    elif isinstance(value, list):
        for item in value:
            yield from secrets_named(item)


def test_secrets_come_by_reference_from_the_store() -> None:
    named = set(secrets_named(spec()["receivers"]))
    assert {key for _, key in named} == {"pagerduty-routing-key", "slack-url", "heartbeat-url"}
    made = {
        (one["spec"]["target"]["name"], data["secretKey"])
        for one in of_kind("ExternalSecret")
        for data in one["spec"]["data"]
    }
    assert named <= made
    assert {("hub-client", key) for key in ("tls.crt", "tls.key", "ca.crt")} <= made


def test_the_hub_takes_and_never_gives() -> None:
    """Of every way in, one path is open, and whoever comes shows a certificate."""
    (gateway,) = of_kind("Gateway")
    (service,) = of_kind("VirtualService")
    for server in gateway["spec"]["servers"]:
        assert server["tls"]["mode"] == "MUTUAL"
        assert set(server["hosts"]) == set(service["spec"]["hosts"])
    seen = set()
    for route in service["spec"]["http"]:
        (match,) = route["match"]
        assert "exact" in match["uri"]
        seen.add(match["authority"]["exact"])
    assert seen == set(service["spec"]["hosts"])
