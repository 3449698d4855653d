"""The schemas of the real APIs, from a folder or the public catalogue, and what they and their CEL say."""

from __future__ import annotations

import copy
import json
import os
import re
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

import cel
import jsonschema

from rendering import KUBERNETES, REPOSITORY, Object

CACHE = REPOSITORY / ".cache" / "schemas"
RULES = "x-kubernetes-validations"
_OF_KUBERNETES = {
    "find": lambda text, pattern: found[0] if (found := re.search(pattern, text)) else "",
    "split": lambda text, by: text.split(by),
}
"""Functions that rules may call besides those of CEL itself, as far as rules here do."""
_RAW = "https://raw.githubusercontent.com"
_BUILT_IN = f"{_RAW}/yannh/kubernetes-json-schema/master/v{KUBERNETES}-standalone-strict"
_EXTENSIONS = f"{_RAW}/datreeio/CRDs-catalog/main"


class NoSchema(LookupError):  # noqa: N818 - it is an answer
    """The API has no such kind or version."""


class Unreachable(Exception):  # noqa: N818 - it is an outcome
    """The public catalogue cannot be reached, and nobody named a folder in KUBERNETES_SCHEMAS."""


@cache
def schema_of(api_version: str, kind: str) -> Any:
    """The schema of a kind. Raises NoSchema, Unreachable."""
    group, version = api_version.rsplit("/", 1) if "/" in api_version else ("", api_version)
    folder = os.environ.get("KUBERNETES_SCHEMAS")
    if folder:
        file = Path(folder) / (group or "core") / f"{kind.lower()}_{version}.json"
        if not file.is_file():
            raise NoSchema(f"there is no {kind} in {api_version}")
        return json.loads(file.read_text())
    return json.loads(_fetched(group, version, kind))


def _fetched(group: str, version: str, kind: str) -> str:
    if not group or "." not in group or (group.endswith(".k8s.io") and group != "gateway.networking.k8s.io"):
        parts = "-".join(filter(None, (kind.lower(), group.split(".", maxsplit=1)[0], version)))
        url = f"{_BUILT_IN}/{parts}.json"
    else:
        url = f"{_EXTENSIONS}/{group}/{kind.lower()}_{version}.json"
    kept = CACHE / url.removeprefix(f"{_RAW}/")
    if not kept.is_file():
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as problem:
            if problem.code == 404:
                raise NoSchema(f"there is no {kind} in {group}/{version}") from problem
            raise Unreachable(url) from problem
        except OSError as problem:
            raise Unreachable(url) from problem
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(text)
    return kept.read_text()


@cache
def _validator(api_version: str, kind: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema_of(api_version, kind))


@cache
def _rule(text: str) -> cel.Program:
    return cel.compile(text)


def problems_of(one: Object) -> list[str]:
    """What is wrong with an object: fields that do not exist, values not taken, rules that do not hold."""
    return list(_problems(json.dumps(one)))


@cache
def _problems(text: str) -> tuple[str, ...]:
    """By the object's text: most objects of one release stand in the next one too."""
    one = json.loads(text)
    try:
        schema = schema_of(one["apiVersion"], one["kind"])
    except NoSchema as problem:
        return (str(problem),)
    _fill(schema, schema, one)
    errors = _validator(one["apiVersion"], one["kind"]).iter_errors(one)
    found = [f"{error.json_path}: {error.message[:300]}" for error in errors]
    if not found:
        _decide(schema, schema, one, "$", found)
    return tuple(found)


def _resolved(root: Any, schema: Any) -> Any:
    while "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _parts(root: Any, schema: Any, value: Any) -> list[tuple[str, Any, Any]]:
    """What is in a value, with the schema of each: key or number, schema, value."""
    if isinstance(value, dict):
        known = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        return [(f".{key}", _resolved(root, known.get(key, others)), item) for key, item in value.items()]
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [(f"[{number}]", _resolved(root, schema["items"]), item) for number, item in enumerate(value)]
    return []


def _fill(root: Any, schema: Any, value: Any) -> None:
    """Put in the defaults of the schema, as the API server does before it looks."""
    if isinstance(value, dict):
        for key, known in (schema.get("properties") or {}).items():
            default = _resolved(root, known).get("default")
            if key not in value and default is not None:
                value[key] = copy.deepcopy(default)
    for _, inner, item in _parts(root, schema, value):
        _fill(root, inner, item)


def _decide(root: Any, schema: Any, value: Any, path: str, broken: list[str]) -> None:
    for rule in schema.get(RULES) or ():
        # What may become of an object that exists is no question here.
        if "oldSelf" in rule["rule"]:
            continue
        try:
            context = cel.Context({"self": value})
            for name, function in _OF_KUBERNETES.items():
                context.add_function(name, function)
            holds = _rule(rule["rule"]).execute(context)
        except (ValueError, RuntimeError, TypeError) as problem:
            broken.append(f"{path}: the rule {rule['rule']!r} cannot be decided: {problem}")
            continue
        if holds is not True:
            broken.append(f"{path}: {rule.get('message') or rule['rule']}")
    for key, inner, item in _parts(root, schema, value):
        _decide(root, inner, item, path + key, broken)
