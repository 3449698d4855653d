"""Which images run is decided by a signature, and what Trivy may overlook has a reason and an end."""

from __future__ import annotations

import datetime
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml
from security_rooms import SECURITY, WORKLOAD, Cluster, of_chat, of_kind, of_room

from manifests import REPOSITORY
from rendering import Object, pick, pod_of

TRIVY = SECURITY / "trivy"
LONGEST = datetime.timedelta(days=366)


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_every_image_of_the_chat_is_looked_at_by_the_policy_of_signatures(cluster: Cluster) -> None:
    (glob,) = pick(of_room("image-policy", cluster), "ClusterImagePolicy", "chat")["spec"]["images"]
    beginning = glob["glob"].removesuffix("**")
    images = [
        container["image"]
        for one in of_chat(cluster)
        if (pod := pod_of(one)) is not None
        for container in pod["spec"]["containers"]
    ]
    assert images
    assert all(image.startswith(beginning) for image in images)
    namespace = pick(of_room("namespaces", cluster), "Namespace", "chat")
    assert namespace["metadata"]["labels"]["policy.sigstore.dev/include"] == "true"


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_a_signature_is_by_the_pipelines_key_and_production_wants_more(cluster: Cluster) -> None:
    those = of_room("image-policy", cluster)
    policy = pick(those, "ClusterImagePolicy", "chat")["spec"]
    assert policy["mode"] == ("warn" if cluster.environment == "dev" else "enforce")
    (authority,) = policy["authorities"]
    key = pick(those, "ExternalSecret", authority["key"]["secretRef"]["name"])
    assert key["metadata"]["namespace"] == "cosign-system"
    attested = {one["predicateType"] for one in authority.get("attestations", [])}
    assert attested == ({"vuln", "cyclonedx"} if cluster.environment == "prod" else set())


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_what_needs_no_signature_is_the_sidecar_alone(cluster: Cluster) -> None:
    passing = [
        one
        for one in of_kind(of_room("image-policy", cluster), "ClusterImagePolicy")
        if any("static" in authority for authority in one["spec"]["authorities"])
    ]
    assert [image["glob"] for one in passing for image in one["spec"]["images"]] == ["docker.io/istio/proxyv2*"]


# Trivy


def exceptions() -> list[dict[str, Any]]:
    content = yaml.safe_load((TRIVY / ".trivyignore.yaml").read_text())
    assert content.keys() <= {"vulnerabilities", "misconfigurations", "secrets", "licenses"}
    return [one for some in content.values() for one in some]


def faults(one: dict[str, Any], today: datetime.date) -> list[str]:
    """What is wrong with an exception."""
    found = []
    if one.keys() - {"id", "paths", "purls", "expired_at", "statement"} or "id" not in one:
        found.append("has fields that Trivy does not know")
    words = str(one.get("statement", "")).split()
    began = words[1].rstrip(":") if words[:1] == ["Since"] else ""
    if not began or len(words) < 15:
        found.append("gives no reason that says since when")
    until = one.get("expired_at")
    if not isinstance(until, datetime.date):
        found.append("has no end")
    elif until <= today:
        found.append(f"has run out on {until}")
    elif began and until - datetime.date.fromisoformat(began) > LONGEST:
        found.append("lasts for more than a year")
    if not one.get("paths") and not one.get("purls"):
        found.append("holds for everything")
    return found


@pytest.mark.parametrize("one", exceptions(), ids=lambda one: one["id"])
def test_an_exception_is_reasoned_dated_and_about_something_that_is_there(one: dict[str, Any]) -> None:
    assert not faults(one, datetime.datetime.now(tz=datetime.UTC).date())
    for pattern in one.get("paths", []):
        assert any(fnmatch(str(path.relative_to(REPOSITORY)), pattern) for path in REPOSITORY.glob(pattern)), (
            pattern
        )


def good(**changes: Any) -> Object:
    statement = f"Since 2026-11-29: {'a reason in words ' * 5}"
    until = datetime.date(2027, 5, 31)
    return {"id": "X-1", "paths": ["a"], "expired_at": until, "statement": statement} | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"expired_at": datetime.date(2026, 11, 30)}, "has run out"),
        ({"expired_at": datetime.date(2030, 1, 1)}, "more than a year"),
        ({"expired_at": None}, "has no end"),
        ({"statement": ""}, "no reason"),
        ({"statement": "Because."}, "no reason"),
        ({"paths": []}, "everything"),
        ({"expires": "never"}, "does not know"),
    ],
)
def test_an_exception_that_should_not_be_is_caught(changes: dict[str, Any], said: str) -> None:
    found = faults(good(**changes), datetime.date(2026, 12, 1))
    assert said in " ".join(found) if said else not found


def test_trivy_finds_its_list_and_fails_on_what_is_grave() -> None:
    settings = yaml.safe_load((TRIVY / "trivy.yaml").read_text())
    assert (REPOSITORY / settings["ignorefile"]).is_file()
    assert settings["exit-code"] == 1
    assert {*settings["severity"]} >= {"HIGH", "CRITICAL"}
    assert {*settings["scan"]["scanners"]} == {"vuln", "misconfig", "secret"}
    for values in settings["misconfiguration"]["helm"]["values"]:
        assert (REPOSITORY / values).is_file()
