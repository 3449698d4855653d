"""What the ApplicationSets generate, expanded by Argo CD's own code: the right things in their places, once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from api_schemas import problems_of
from gitops import GIT, addons, applications, clusters, folders, meant_for
from manifests import PLATFORM, REPOSITORY, objects

pytestmark = pytest.mark.usefixtures("argocd")

CLUSTERS = {
    "mgmt",
    *(f"{place}-{cloud}" for place in ("dev", "staging", "prod") for cloud in ("aws", "gcp", "azure")),
}
OPTIONAL = re.compile(r"\$values/platform/addons/[a-z-]+/values-[a-z]+\.yaml")


def test_there_is_a_management_cluster_and_nine_that_run_the_chat() -> None:
    assert clusters().keys() == CLUSTERS
    for name, cluster in clusters().items():
        assert cluster["name"] == name
        assert name in {f"{cluster['environment']}-{cluster['cloud']}", "mgmt"}


def test_an_environment_has_one_home() -> None:
    homes: dict[str, set[str]] = {}
    for cluster in clusters().values():
        homes.setdefault(cluster["environment"], set()).add(cluster["home"])
    assert all(len(home) == 1 for home in homes.values()), homes


@pytest.mark.usefixtures("schemas")
def test_the_api_takes_every_application() -> None:
    found = [
        f"{one.name}: {problem}"
        for one in applications()
        for problem in problems_of(
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
            | {key: value for key, value in one.application.items() if key in {"metadata", "spec"}}
        )
    ]
    assert not found, "\n".join(found)


def test_the_projects_allow_every_application() -> None:
    """Repository and destination, by Argo CD's own decision; the destination is a cluster that is there."""
    assert not {f"{one.name}: {problem}" for one in applications() for problem in one.refused}


def test_every_addon_reaches_exactly_the_clusters_that_it_is_for() -> None:
    for name, addon in addons().items():
        reached = {
            one.cluster for one in applications() if one.labels.get("platform.chat.example.org/addon") == name
        }
        assert addon["name"] == name
        assert reached == meant_for(addon), name
        assert reached, f"{name} is for no cluster"


def test_every_folder_reaches_exactly_the_clusters_that_it_is_for() -> None:
    for name, folder in folders().items():
        label = "platform.chat.example.org/manifests"
        assert folder["name"] == name
        assert {one.cluster for one in applications() if one.labels.get(label) == name} == meant_for(folder), name


def test_the_chat_is_on_every_cluster_but_the_management_cluster() -> None:
    chat = [one for one in applications() if one.set == "chat"]
    assert {one.cluster for one in chat} == CLUSTERS - {"mgmt"}
    assert all(one.spec["destination"]["namespace"] == "chat" for one in chat)


def test_names_are_given_once() -> None:
    names = Counter(one.name for one in applications())
    names.update(one.content["metadata"]["name"] for one in objects() if one.content["kind"] == "Application")
    assert not [name for name, times in names.items() if times > 1]


def test_no_two_applications_own_one_thing() -> None:
    """A chart's release, or a folder with what is put on it, is one application's in a cluster."""
    owned = Counter(
        (
            one.cluster,
            one.spec["destination"]["namespace"],
            source["repoURL"],
            source.get("path", source.get("chart")),
            source.get("helm", {}).get("releaseName"),
        )
        for one in applications()
        for source in one.sources
        if "ref" not in source
    )
    assert not [what for what, times in owned.items() if times > 1]
    inside = {folder["path"].split("/$(")[0] for folder in folders().values() if "repository" not in folder}
    nested = {(one, other) for one in inside for other in inside if other.startswith(f"{one}/")}
    # A folder of plain files is not recursive, so what lies deeper in it is another's.
    assert all(not list((REPOSITORY / one).glob("kustomization.yaml")) for one, _ in nested)


def test_paths_and_files_of_values_are_there() -> None:
    for one in applications():
        for source in one.sources:
            base = REPOSITORY
            if source["repoURL"] == GIT and "path" in source:
                base = REPOSITORY / source["path"]
                # A part of the platform that is not in this checkout at all is not asked for.
                if REPOSITORY.joinpath(*Path(source["path"]).parts[:2]).is_dir():
                    assert base.is_dir(), f"{one.name}: there is no folder {source['path']}"
            for file in source.get("helm", {}).get("valueFiles", []):
                if not OPTIONAL.fullmatch(file):
                    assert _there(base, file), f"{one.name}: there is no file {file}"


def test_components_are_there_for_some_cluster() -> None:
    """One for which nothing differs has none; one that no cluster has is a slip."""
    for name, folder in folders().items():
        made = [one for one in applications() if one.labels.get("platform.chat.example.org/manifests") == name]
        for number, component in enumerate(folder.get("components", [])):
            sources = [one.sources[0] for one in made]
            places = {REPOSITORY / one["path"] / one["kustomize"]["components"][number] for one in sources}
            part = REPOSITORY.joinpath(*Path(folder["path"]).parts[:2])
            assert not part.is_dir() or any(place.is_dir() for place in places), f"{name}: no {component}"


def _there(base: Path, file: str) -> bool:
    if file.startswith("$values/"):
        return (REPOSITORY / file.removeprefix("$values/")).is_file()
    return (REPOSITORY / file.lstrip("/") if file.startswith("/") else base / file).is_file()


def test_every_file_of_values_is_used() -> None:
    """A file with a cloud's or environment's name that no cluster of its add-on has would be read by nobody."""
    used = {
        file.removeprefix("$values/")
        for one in applications()
        for source in one.sources
        for file in source.get("helm", {}).get("valueFiles", [])
    }
    for path in sorted((PLATFORM / "addons").glob("*/values*.yaml")):
        assert str(path.relative_to(REPOSITORY)) in used, path


def test_what_differs_by_cluster_is_filled_in() -> None:
    for one in applications():
        for source in one.sources:
            text = str(source)
            assert "$(" not in text, f"{one.name} leaves {text}"
    meshes = {
        one.cluster: one.sources[0]["helm"]["values"] for one in applications() if one.name.startswith("istiod-")
    }
    for name, values in meshes.items():
        assert f"network: {name}" in values
        assert f"meshID: chat-{clusters()[name]['environment']}" in values


def test_files_of_a_world_are_in_the_bucket_of_its_home() -> None:
    values: dict[str, set[str]] = {}
    for one in applications():
        if one.set == "chat":
            environment = one.labels["platform.chat.example.org/environment"]
            values.setdefault(environment, set()).add(one.sources[0]["helm"]["values"])
    assert all(len(different) == 1 for different in values.values()), values
    assert "s3://chat-prod-files" in values["prod"].pop()
