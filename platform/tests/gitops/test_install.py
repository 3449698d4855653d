"""The install script: clean by shellcheck; done again it does the same; tried with stand-ins for kubectl, Helm."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitops import versions
from manifests import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPT = PLATFORM / "bootstrap" / "install"

# Notes what it was asked; knows of what exists by files in the folder `there`.
KUBECTL = """#!/bin/sh
echo "kubectl $*" >>"$SEEN/log"
case "$*" in
    "config current-context") echo mgmt ;;
    *"version -o json"*) printf '{\\n  "serverVersion": {\\n    "gitVersion": "v1.35.0-gke.1"\\n  }\\n}\\n' ;;
    *"get namespace argocd"*) [ -e "$SEEN/namespace" ] ;;
    *"get secret argocd-redis"*) [ -e "$SEEN/secret" ] ;;
    *"create namespace"*) touch "$SEEN/namespace" ;;
    *"create secret"*) touch "$SEEN/secret" ;;
    *refuse*) exit 1 ;;
esac
"""
HELM = '#!/bin/sh\necho "helm $*" >>"$SEEN/log"\necho "kind: List"\n'


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[str]]:
    """Run the script and return what it asked for, line by line."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("kubectl", KUBECTL), ("helm", HELM)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)

    def run(*arguments: str) -> list[str]:
        (tmp_path / "log").write_text("")
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(
            [SCRIPT, *arguments], env={"PATH": path, "SEEN": str(tmp_path)}, check=True, capture_output=True
        )
        return (tmp_path / "log").read_text().splitlines()

    return run


def test_shellcheck_has_nothing_to_say(require: Callable[[str], str]) -> None:
    done = subprocess.run([require("shellcheck"), SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_shellcheck_would_say_something(require: Callable[[str], str], tmp_path: Path) -> None:
    broken = tmp_path / "install"
    broken.write_text(SCRIPT.read_text().replace('"$folder/auth"', "$folder/auth", 1))
    assert subprocess.run([require("shellcheck"), broken], capture_output=True, check=False).returncode == 1


def test_argo_cd_comes_before_what_it_reads(run: Callable[..., list[str]]) -> None:
    seen = run("--context", "mgmt")
    applied = [line for line in seen if " apply " in line]
    assert len(applied) == 2
    assert applied[0].endswith("argocd.yaml")
    assert applied[1].endswith("root-app.yaml")
    assert all("--server-side" in line for line in applied)
    assert any(
        "wait --for=condition=established" in line
        for line in seen[seen.index(applied[0]) : seen.index(applied[1])]
    )
    assert all("--context mgmt" in line for line in seen if line.startswith("kubectl"))


def test_the_chart_and_the_cluster_have_the_versions_that_they_should(run: Callable[..., list[str]]) -> None:
    (rendering,) = [line for line in run() if line.startswith("helm")]
    assert f"--version {versions()['charts']['argo-cd']['version']} " in rendering
    # Only the number: a cloud's suffix would be taken for a version before the release.
    assert "--kube-version 1.35.0 " in rendering


def test_done_again_it_makes_nothing_anew(run: Callable[..., list[str]]) -> None:
    first, again = run(), run()
    assert [line for line in first if " create " in line]
    assert not [line for line in again if " create " in line]
    same = [line.split("/tmp")[0] for line in first if " create " not in line]
    assert [line.split("/tmp")[0] for line in again] == same


def test_a_trial_changes_nothing(run: Callable[..., list[str]]) -> None:
    changing = [line for line in run("--dry-run") if " apply " in line or " create " in line]
    assert changing
    assert all("--dry-run=server" in line for line in changing)


def test_a_wrong_argument_is_refused(run: Callable[..., list[str]]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run("--contxt", "mgmt")
    assert refused.value.returncode == 2
