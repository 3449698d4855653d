"""The pods have no more rights than they need: on the cluster, on their node, and in their own container."""

from __future__ import annotations

import pytest

from cluster.kubectl import KubernetesError
from cluster.release import NAME, Release

CONTAINER = """
import os, pathlib
print(os.getuid(), os.getgid())
for place in ("/", "/app", "/usr"):
    try:
        pathlib.Path(place, "tried").write_text("")
        print("wrote", place)
    except OSError:
        pass
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
status = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
print(status["CapEff"].strip(), status["NoNewPrivs"].strip(), status["Seccomp"].strip())
print(pathlib.Path("/var/run/secrets/kubernetes.io").exists())
"""


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("get", "configmaps"),
        ("list", "pods"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("delete", "pods"),
        ("patch", "statefulsets.apps"),
        ("create", "serviceaccounts/token"),
        ("impersonate", "users"),
        ("list", "nodes"),
        ("list", "namespaces"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("*", "*"),
    ],
)
def test_its_account_may_do_nothing(release: Release, verb: str, what: str) -> None:
    kubectl = release.kubectl
    account = f"--as=system:serviceaccount:{kubectl.namespace}:{NAME}"
    with pytest.raises(KubernetesError) as refused:
        kubectl.run("auth", "can-i", verb, what, account)
    assert ": no\n" in str(refused.value)


def test_an_administrator_may(release: Release) -> None:
    """The same question can be answered with yes."""
    assert release.kubectl.run("auth", "can-i", "get", "secrets").strip() == "yes"


def test_the_container_can_do_little(release: Release) -> None:
    pod = release.kubectl.ready("gateway")[0]
    told = release.kubectl.run("exec", pod, "--", "python3", "-c", CONTAINER).split("\n")
    assert told[0] == "65532 65532"
    assert not [line for line in told if line.startswith("wrote")]
    capabilities, no_new_privileges, seccomp = told[1].split()
    assert int(capabilities, 16) == 0
    assert no_new_privileges == "1"
    assert seccomp == "2"
    assert told[2] == "False"


def test_the_namespace_refuses_what_is_not_restricted(release: Release) -> None:
    """The level that all pods of the release were admitted under refuses others."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "greedy"},
        "spec": {"containers": [{"name": "greedy", "image": "registry.example.org/greedy:1"}]},
    }
    with pytest.raises(KubernetesError, match='violates PodSecurity "restricted'):
        release.kubectl.apply(pod)
