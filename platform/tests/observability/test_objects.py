"""The schemas of the real APIs see what is wrong with our objects: a broken copy of each kind is caught."""

from __future__ import annotations

import json
from typing import Any

import pytest
from extraction import OBSERVABILITY

from api_schemas import problems_of
from manifests import objects

KINDS = {
    "AlertmanagerConfig",
    "ConfigMap",
    "ExternalSecret",
    "Gateway",
    "PodMonitor",
    "PrometheusRule",
    "ServiceMonitor",
    "VirtualService",
}

pytestmark = pytest.mark.usefixtures("schemas")


def of_kind(kind: str) -> dict[str, Any]:
    return next(one.content for one in objects(OBSERVABILITY) if one.content["kind"] == kind)


def test_every_object_says_where_it_belongs() -> None:
    assert {one.content["kind"] for one in objects(OBSERVABILITY)} == KINDS
    for one in objects(OBSERVABILITY):
        assert one.content["metadata"].get("namespace"), str(one)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_field_that_does_not_exist_is_caught(kind: str) -> None:
    one = of_kind(kind)
    assert not problems_of(one)
    where = "spec" if "spec" in one else None
    broken = json.loads(json.dumps(one))
    (broken[where] if where else broken)["noSuchField"] = 1
    assert problems_of(broken)
    assert problems_of({**one, "apiVersion": f"{one['apiVersion']}beta9"})


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "said"),
    [
        ("PrometheusRule", '"expr"', '"exp"', "exp"),
        ("PrometheusRule", '"interval": "5m"', '"interval": "often"', "often"),
        ("AlertmanagerConfig", '"receiver"', '"reciever"', "reciever"),
        ("AlertmanagerConfig", '"matchType": "=~"', '"matchType": "~"', "'~' is not one of"),
        ("AlertmanagerConfig", '"startTime": "18:00"', '"startTime": "6 pm"', "6 pm"),
        ("PodMonitor", '"podMetricsEndpoints"', '"endpoints"', "endpoints"),
        ("ServiceMonitor", '"selector"', '"seletcor"', "selector"),
        ("ExternalSecret", '"secretKey"', '"secretkey"', "secretkey"),
        ("Gateway", '"MUTUAL"', '"MUTAUL"', "MUTAUL"),
        ("VirtualService", '"destination"', '"backend"', "backend"),
    ],
)
def test_a_broken_copy_is_caught(kind: str, right: str, wrong: str, said: str) -> None:
    texts = [json.dumps(one.content) for one in objects(OBSERVABILITY) if one.content["kind"] == kind]
    text = next(text for text in texts if right in text)
    assert said in "\n".join(problems_of(json.loads(text.replace(right, wrong))))
