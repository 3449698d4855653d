"""What Kustomize makes of a folder here: resources, components and JSON patches, all that these folders use."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from rendering import Object

KNOWN = {"apiVersion", "kind", "resources", "components", "patches", "namespace"}


class UnknownError(Exception):
    """A kustomization uses what is not understood here, or a patch meets nothing."""


def built(folder: Path, *components: Path) -> list[Object]:
    """The objects of a folder with its patches, and those of components. Raises UnknownError."""
    told = _told(folder)
    objects: list[Object] = []
    for name in told.get("resources", []):
        place = folder / name
        objects += built(place) if place.is_dir() else _objects(place)
    _patch(objects, told.get("patches", []), folder)
    for component in (*(folder / name for name in told.get("components", [])), *components):
        _add(objects, component)
    return objects


def _add(objects: list[Object], component: Path) -> None:
    """Put a component's part to objects: its resources, its own components, then its patches."""
    told = _told(component)
    for name in told.get("resources", []):
        objects += _objects(component / name)
    for name in told.get("components", []):
        _add(objects, component / name)
    _patch(objects, told.get("patches", []), component)


def _told(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if strange := told.keys() - KNOWN:
        raise UnknownError(f"{folder.name}: {', '.join(sorted(strange))} is not understood here")
    return told


def _objects(file: Path) -> list[Object]:
    return [one for one in yaml.safe_load_all(file.read_text()) if one]


def _patch(objects: list[Object], patches: list[dict[str, Any]], folder: Path) -> None:
    for patch in patches:
        target = patch["target"]
        met = [one for one in objects if one["kind"] == target["kind"] and _named(one, target)]
        if not met:
            raise UnknownError(f"{folder.name}: a patch of {target} meets nothing")
        for one in met:
            for step in yaml.safe_load(patch["patch"]):
                _apply(one, step)


def _named(one: Object, target: dict[str, str]) -> bool:
    return target.get("name") in (None, one["metadata"]["name"])


def _apply(one: Object, step: dict[str, Any]) -> None:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].removeprefix("/").split("/")]
    place: Any = one
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = last
    if isinstance(place, list):
        key = len(place) if last == "-" else int(last)
    match step["op"]:
        case "replace":
            place[key]  # what is replaced has to be there
            place[key] = copy.deepcopy(step["value"])
        case "add" if isinstance(place, list):
            place.insert(key, copy.deepcopy(step["value"]))
        case "add":
            place[key] = copy.deepcopy(step["value"])
        case "remove":
            del place[key]
        case other:
            raise UnknownError(f"{other} is not understood here")
