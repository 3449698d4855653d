"""What is wrong with an object, also where its kind is made by a manifest of ours: Gatekeeper's constraints."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema

from api_schemas import problems_of
from manifests import PLATFORM, objects
from rendering import Object

CONSTRAINTS = "constraints.gatekeeper.sh/"

_STRINGS = {"type": "array", "items": {"type": "string"}}
_MATCH = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "kinds": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["apiGroups", "kinds"],
                "properties": {"apiGroups": _STRINGS, "kinds": _STRINGS},
            },
        },
        "namespaces": _STRINGS,
        "excludedNamespaces": _STRINGS,
        "labelSelector": {"type": "object"},
        "namespaceSelector": {"type": "object"},
        "name": {"type": "string"},
        "scope": {"enum": ["*", "Cluster", "Namespaced"]},
        "source": {"enum": ["All", "Generated", "Original"]},
    },
}
"""What Gatekeeper gives to every constraint's kind."""


def problems(one: Object) -> list[str]:
    """See `problems_of`; a constraint is looked at by what its template makes of it."""
    if not str(one.get("apiVersion")).startswith(CONSTRAINTS):
        return problems_of(one)
    schema = constraint_schemas().get(one["kind"])
    if schema is None or one["apiVersion"] != f"{CONSTRAINTS}v1beta1":
        return [f"no template makes {one['kind']} in {one['apiVersion']}"]
    found = jsonschema.Draft7Validator(schema).iter_errors(one)
    return [f"{problem.json_path}: {problem.message[:300]}" for problem in found]


@cache
def constraint_schemas() -> dict[str, Any]:
    """The schema of each kind that a ConstraintTemplate of the platform makes."""
    templates = (one.content for one in objects(PLATFORM) if one.content["kind"] == "ConstraintTemplate")
    return {
        crd["names"]["kind"]: _schema(crd.get("validation", {}).get("openAPIV3Schema", {"type": "object"}))
        for crd in (template["spec"]["crd"]["spec"] for template in templates)
    }


def _schema(parameters: Object) -> Object:
    closed = {**parameters, "additionalProperties": False, "properties": parameters.get("properties", {})}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "required": ["name"]},
            "spec": {
                "type": "object",
                "additionalProperties": False,
                # Gatekeeper denies where nothing is said; here it is said.
                "required": ["enforcementAction", "match", *(["parameters"] if closed.get("required") else [])],
                "properties": {
                    "enforcementAction": {"enum": ["deny", "warn", "dryrun"]},
                    "match": _MATCH,
                    "parameters": closed,
                },
            },
        },
    }
