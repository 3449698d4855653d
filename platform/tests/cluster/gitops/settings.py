"""What Argo CD is told: its release's own settings, and over them those of platform/bootstrap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped] # its types are not among the locked tools

from cluster.modules import unpacked

if TYPE_CHECKING:
    from cluster.kubectl import Kubectl, Object

ROOT = Path(__file__).parents[4]
VALUES = ROOT / "platform" / "bootstrap" / "argocd-values.yaml"
NAMESPACE = "argocd"

_PARTS = {"cm": "argocd-cm", "params": "argocd-cmd-params-cm", "rbac": "argocd-rbac-cm"}
"""The settings in the chart's values, and the ConfigMaps that it makes of them."""
_OF_CHART = {"create", "annotations"}
_PUT_THERE = {"CustomResourceDefinition", "ConfigMap", "Secret"}


class Settings:
    """Those of the release that tools/argocd pins, as the platform has them."""

    def __init__(self, kubectl: Kubectl) -> None:
        folder = unpacked("argocd", "github.com/argoproj/argo-cd/v3") / "manifests" / "core-install"
        self._objects: list[Object] = list(yaml.safe_load_all(kubectl.run("kustomize", str(folder))))
        chosen = yaml.safe_load(VALUES.read_text())["configs"]
        for part, name in _PARTS.items():
            data = self._find("ConfigMap", name).setdefault("data", {})
            data |= {key: _text(value) for key, value in chosen.get(part, {}).items() if key not in _OF_CHART}

    def objects(self, key: str) -> list[Object]:
        """The kinds and settings of Argo CD; `key` signs its sessions, and it does not start without one."""
        put_there = [one for one in self._objects if one["kind"] in _PUT_THERE]
        for one in put_there:
            if one["kind"] != "CustomResourceDefinition":
                one["metadata"]["namespace"] = NAMESPACE
        self._find("Secret", "argocd-secret")["stringData"] = {"server.secretkey": key}
        return put_there

    def environment(self, workload: str) -> dict[str, str]:
        """The variables that a pod of one of its workloads would have by these settings."""
        kind = next(one["kind"] for one in self._objects if one["metadata"]["name"] == workload and _runs(one))
        container = self._find(kind, workload)["spec"]["template"]["spec"]["containers"][0]
        found = {}
        for variable in container["env"]:
            told = variable.get("valueFrom", {}).get("configMapKeyRef")
            value = self._find("ConfigMap", told["name"]).get("data", {}).get(told["key"]) if told else None
            value = variable.get("value", value)
            if value is not None:
                found[variable["name"]] = value
        return found

    def _find(self, kind: str, name: str) -> Any:
        return next(one for one in self._objects if one["kind"] == kind and one["metadata"]["name"] == name)


def _runs(one: Object) -> bool:
    return one["kind"] in ("Deployment", "StatefulSet")


def _text(value: object) -> str:
    """As the chart writes it into a ConfigMap."""
    return str(value).lower() if isinstance(value, bool) else str(value)
