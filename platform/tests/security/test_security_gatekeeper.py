"""The policies say what their suites say, refuse each slip of the pen, and let all of our own output through."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gator
import pytest
import yaml
from security_rooms import (
    CLUSTERS,
    SECURITY,
    WORKLOAD,
    Cluster,
    of_chart,
    of_chat,
    of_cluster,
    of_kind,
    of_room,
    placed,
)

from manifests import CLOUDS, PLATFORM, objects
from own_kinds import problems
from rendering import COMBINATIONS, Combination, Object, pick, pod_of, rendered

pytestmark = pytest.mark.usefixtures("gator")

GATEKEEPER = SECURITY / "gatekeeper"
POLICIES = sorted(path.parent.name for path in GATEKEEPER.glob("*/template.yaml"))
PROD = Cluster("prod", "aws")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def own_output(cluster: Cluster) -> list[Object]:
    """Everything that a cluster is given from this repository, as it is rendered, and manifests that are not."""
    others = {*CLOUDS} - {cluster.cloud}
    plain = [
        one.content
        for one in objects()
        if SECURITY not in one.path.parents and not others & {*one.path.parts} and "metadata" in one.content
    ]
    rooms = [one for one in of_cluster(cluster) if "gatekeeper.sh/" not in one["apiVersion"]]
    return [*rooms, *of_chat(cluster), *placed(plain, "default")]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_complete(policy: str) -> None:
    """A folder is one thing: template, constraint, suite, and cases of both kinds for each constraint."""
    folder = GATEKEEPER / policy
    template = read(folder / "template.yaml")
    kind = template["spec"]["crd"]["spec"]["names"]["kind"]
    assert template["metadata"]["name"] == kind.lower()
    constraints = sorted(path.name for path in folder.glob("constraint*.yaml"))
    suite = read(folder / "suite.yaml")
    assert sorted(test["constraint"] for test in suite["tests"]) == constraints
    for test in suite["tests"]:
        assert read(folder / test["constraint"])["kind"] == kind
        verdicts = [assertion for case in test["cases"] for assertion in case["assertions"]]
        bad = [assertion for assertion in verdicts if assertion["violations"] is not False]
        assert bad, "no bad case"
        assert len(bad) < len(verdicts), "no good case"
        # Without its message a policy that does not compile would pass for one that refuses.
        assert all(assertion["message"] for assertion in bad)
    cases = {case["object"] for test in suite["tests"] for case in test["cases"]}
    cases |= {path for test in suite["tests"] for case in test["cases"] for path in case.get("inventory", [])}
    assert {f"tests/{path.name}" for path in (folder / "tests").iterdir()} == cases


def test_every_suite_holds() -> None:
    held, said = gator.verify(GATEKEEPER)
    assert held, said
    assert len(re.findall(r"^ok", said, re.MULTILINE)) == len(POLICIES)


def test_cel_comes_first() -> None:
    """Rego only where other objects are looked up (ADR 0016)."""
    engines = {
        policy: read(GATEKEEPER / policy / "template.yaml")["spec"]["targets"][0]["code"] for policy in POLICIES
    }
    rego = {policy for policy, (code,) in engines.items() if code["engine"] != "K8sNativeValidation"}
    assert rego == {"disruption-budget"}
    assert "data.inventory" in (GATEKEEPER / "disruption-budget" / "template.yaml").read_text()
    (synced,) = read(GATEKEEPER / "config.yaml")["spec"]["sync"]["syncOnly"]
    assert (synced["group"], synced["version"], synced["kind"]) == ("policy", "v1", "PodDisruptionBudget")


def test_all_that_is_installed_passes(capsys: pytest.CaptureFixture[str]) -> None:
    judged = pods = 0
    for cluster in CLUSTERS:
        those, policies = own_output(cluster), of_room("gatekeeper", cluster)
        assert of_kind(policies, *(one["spec"]["crd"]["spec"]["names"]["kind"] for one in templates(policies)))
        assert not [str(one) for one in gator.violations(policies, those)], cluster
        judged += len(those)
        pods += sum(pod_of(one) is not None for one in those)
    assert pods >= len(WORKLOAD) * 4
    with capsys.disabled():
        print(f"\n{judged} objects in {len(CLUSTERS)} clusters, {pods} of them with pods: 100 % pass")


def test_every_way_to_install_the_chart_passes(capsys: pytest.CaptureFixture[str]) -> None:
    judged = 0
    for combination in COMBINATIONS:
        policies = of_room("gatekeeper", Cluster(combination.environment, combination.cloud))
        those = of_chart(combination)
        assert not [str(one) for one in gator.violations(policies, those)], combination
        judged += len(those)
    with capsys.disabled():
        print(f"\n{judged} objects in {len(COMBINATIONS)} renderings of the chart: 100 % pass")


def templates(policies: tuple[Object, ...]) -> list[Object]:
    return of_kind(policies, "ConstraintTemplate")


def test_production_refuses_an_image_without_digest() -> None:
    plain = placed(rendered(*Combination(PROD.environment, PROD.cloud).arguments))
    found = gator.violations(of_room("gatekeeper", PROD), plain)
    assert {one.policy for one in found if "digest" in one.message} == {"image-digest"}
    assert {one.subject for one in found if one.policy == "image-digest"} >= {
        "Rollout/chat-gateway",
        "Deployment/chat-worker",
        "Job/chat-migration",
    }


@pytest.mark.parametrize(("environment", "action"), [("dev", "warn"), ("staging", "deny"), ("prod", "deny")])
def test_an_environment_differs_in_what_follows_only(environment: str, action: str) -> None:
    constraints = [
        one
        for one in of_room("gatekeeper", Cluster(environment, "gcp"))
        if one["apiVersion"].startswith("constraints")
    ]
    assert {one["spec"]["enforcementAction"] for one in constraints} == {action}
    digest = {"image-digest"} if environment == "prod" else set()
    here = {one["metadata"]["name"] for one in constraints}
    assert here == {one["metadata"]["name"] for one in map(read, GATEKEEPER.glob("*/constraint*.yaml"))} - (
        {"image-digest"} - digest
    )


def chat_container(pod: Object) -> Object:
    container: Object = pod["spec"]["containers"][0]
    return container


# What is broken in a pod of the chat, and what has to be said of it.
SLIPS: list[tuple[str, str, Callable[[Object], Any]]] = [
    (
        "image-tag",
        "these images move",
        lambda pod: chat_container(pod).update(image="registry.example.org/chat/a:latest"),
    ),
    (
        "image-digest",
        "by their digest",
        lambda pod: chat_container(pod).update(image="registry.example.org/chat/a:1"),
    ),
    ("image-registry", "not allowed here", lambda pod: chat_container(pod).update(image="docker.io/a/b:1")),
    ("run-as-non-root", "may run as root", lambda pod: pod["spec"]["securityContext"].update(runAsUser=0)),
    (
        "no-privilege",
        "keep privileges",
        lambda pod: chat_container(pod)["securityContext"].update(privileged=True),
    ),
    ("no-privilege", "hostNetwork", lambda pod: pod["spec"].update(hostNetwork=True)),
    (
        "no-privilege",
        "folders of the node",
        lambda pod: pod["spec"]["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
    ),
    (
        "required-labels",
        "app.kubernetes.io/part-of",
        lambda pod: pod["metadata"]["labels"].pop("app.kubernetes.io/part-of"),
    ),
    ("resources", "a limit of memory", lambda pod: chat_container(pod)["resources"].pop("limits")),
    ("probes", "livenessProbe", lambda pod: chat_container(pod).pop("livenessProbe")),
    ("no-token", "automountServiceAccountToken", lambda pod: pod["spec"].pop("automountServiceAccountToken")),
]


@pytest.mark.parametrize(
    ("policy", "said", "slip"), SLIPS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_slip_in_the_chart_is_refused(policy: str, said: str, slip: Callable[[Object], Any]) -> None:
    those = copy.deepcopy([*of_chat(PROD)])
    pod = pod_of(pick(those, "Rollout", "chat-gateway"))
    assert pod is not None
    slip(pod)
    found = gator.violations(of_room("gatekeeper", PROD), those)
    assert any(
        one.policy == policy and said in one.message and one.subject == "Rollout/chat-gateway" for one in found
    ), found


def test_a_workload_without_its_budget_is_refused() -> None:
    those = [one for one in of_chat(PROD) if one["kind"] != "PodDisruptionBudget"]
    found = gator.violations(of_room("gatekeeper", PROD), those)
    assert {(one.policy, one.subject) for one in found} == {
        ("disruption-budget", "Rollout/chat-gateway"),
        ("disruption-budget", "Deployment/chat-worker"),
    }


def test_every_policy_has_a_slip() -> None:
    assert {policy for policy, *_ in SLIPS} | {"disruption-budget"} == {*POLICIES}


def test_a_namespace_beside_the_platforms_is_refused() -> None:
    games = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "games"}}
    found = gator.violations(of_room("gatekeeper", PROD), [games])
    assert {one.policy for one in found} == {"required-labels-namespace"}


def test_a_policy_that_does_not_compile_is_no_verdict(tmp_path: Path) -> None:
    broken = copy.deepcopy([*of_room("gatekeeper", PROD)])
    source = pick(broken, "ConstraintTemplate", "notoken")["spec"]["targets"][0]["code"][0]["source"]
    source["variables"][0]["expression"] = "variables.anyObject.spec.?automountServiceAccountToken.orValue("
    with pytest.raises(gator.Unjudged):
        gator.violations(broken, of_chat(PROD))
    assert tmp_path.is_dir()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_that_lets_all_through_is_caught_by_its_suite(policy: str, tmp_path: Path) -> None:
    shutil.copytree(GATEKEEPER / policy, tmp_path / policy)
    template = tmp_path / policy / "template.yaml"
    content = read(template)
    source = content["spec"]["targets"][0]["code"][0]["source"]
    if "rego" in source:
        source["rego"] = "package disruptionbudget\nviolation contains {'msg': ''} if false".replace("'", '"')
    else:
        for validation in source["validations"]:
            validation["expression"] = "true"
    template.write_text(yaml.safe_dump(content))
    held, _ = gator.verify(tmp_path)
    assert not held


def test_a_constraint_that_its_template_does_not_take_is_caught() -> None:
    constraint = read(GATEKEEPER / "image-registry" / "constraint.yaml")
    assert not problems(constraint)
    assert problems({**constraint, "kind": "ImageRegistri"})
    assert problems({**constraint, "spec": {**constraint["spec"], "parameters": {"registry": ["a/"]}}})
    assert problems({**constraint, "spec": {**constraint["spec"], "parameters": {"registries": ["a"]}}})
    assert problems({**constraint, "spec": {**constraint["spec"], "enforcementAction": "refuse"}})
    assert problems({**constraint, "spec": {**constraint["spec"], "match": {"namespace": ["chat"]}}})


def test_images_of_addons_come_from_registries_that_are_allowed() -> None:
    """Where values name an image in full; what a chart's own defaults say is seen when it is admitted."""
    allowed = read(GATEKEEPER / "image-registry" / "constraint-platform.yaml")["spec"]["parameters"]["registries"]
    named = re.compile(r"(?<![\w/.-])((?:[a-z0-9-]+\.)+(?:io|com|aws|dev|net)/[a-z0-9][\w./-]*)")
    found = {
        image
        for values in sorted((PLATFORM / "addons").glob("*/values*.yaml"))
        for key, image in _strings(read(values))
        if key in {"hub", "image", "registry", "repository", "crdRepository"} and named.fullmatch(image)
    }
    assert not {image for image in found if not f"{image}/".startswith(tuple(allowed))}


def _strings(value: Any, key: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for name, item in value.items() for pair in _strings(item, name)]
    if isinstance(value, list):
        return [pair for item in value for pair in _strings(item, key)]
    return [(key, value)] if isinstance(value, str) else []
