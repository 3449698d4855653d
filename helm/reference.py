"""Writes what follows from the chart's values and the service's settings: values.schema.json, the README's table.

Every value has its meaning in the comment above it. A line `# schema: {...}` there says what else holds for it, in
JSON Schema; `# schema: settings`, `resources` and `strings` name one of the parts below.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from chat_service.environment import Variable, variables
from chat_service.rate import Rate
from chat_service.settings import Settings

CHART = Path(__file__).parent / "chat"
BEGIN, END = "<!-- values: made by `make docs` -->\n", "<!-- end of values -->\n"

OF_THE_CHART = frozenset(
    {
        "CHAT_HOST",
        "CHAT_PORT",
        "CHAT_METRICS_HOST",
        "CHAT_METRICS_PORT",
        "CHAT_DATA_DIR",
        "CHAT_NODE_ID",
        "CHAT_MONGODB_TLS_CA",
        "CHAT_REDIS_TLS_CA",
        "CHAT_DRAIN_NOTICE_S",
        "CHAT_DRAIN_CLOSE_S",
        "CHAT_STOP_TIMEOUT_S",
    }
)
"""Settings that follow from other values, from where Kubernetes puts things, or differ from pod to pod."""

_RATE = r"^[1-9][0-9]{0,8}\s*/\s*([1-9][0-9]{0,5})?[smhd](\s+burst\s+[1-9][0-9]{0,8})?$"
"""What `Rate.parse` takes."""

_QUANTITY = {"type": ["string", "integer", "number"]}
_QUANTITIES = {
    "type": "object",
    "additionalProperties": False,
    "properties": dict.fromkeys(("cpu", "memory", "ephemeral-storage"), _QUANTITY),
}


@dataclass(frozen=True)
class Value:
    """One value of the chart: where it is, its default, its meaning, and what its comment says of its schema."""

    path: tuple[str, ...]
    default: Any
    meaning: str
    declared: dict[str, Any] | str | None

    @property
    def name(self) -> str:
        """The name as --set takes it."""
        return ".".join(self.path)


def values(text: str) -> Iterator[Value]:
    """Every value of a values.yaml, in its order; a group of values is none. ValueError where one says nothing."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("values are a mapping")  # noqa: TRY004 - it is the text that is wrong
    yield from _values(root, text.splitlines(), ())


def _values(node: yaml.MappingNode, lines: list[str], path: tuple[str, ...]) -> Iterator[Value]:
    for key, value in node.value:
        here = (*path, key.value)
        meaning, declared = _comment(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and not meaning:
            yield from _values(value, lines, here)
        elif not meaning:
            raise ValueError(f"{'.'.join(here)} has no comment that says what it means")
        else:
            default = yaml.safe_load(yaml.serialize(value))
            yield Value(here, default, meaning, declared)


def _comment(lines: list[str], line: int) -> tuple[str, dict[str, Any] | str | None]:
    """The comment right above a line: its text, and what it declares."""
    found: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("# "):
        line -= 1
        found.insert(0, lines[line].lstrip()[2:])
    declared = [text.removeprefix("schema: ") for text in found if text.startswith("schema: ")]
    meaning = " ".join(text for text in found if not text.startswith("schema: "))
    return meaning, yaml.safe_load(declared[0]) if declared else None


def schema() -> dict[str, Any]:
    """The closed schema of the values: one that is unknown or misspelt is refused."""
    root = _closed("Values of the chart")
    for value in values((CHART / "values.yaml").read_text()):
        parent = root
        for name in value.path[:-1]:
            parent = parent["properties"].setdefault(name, _closed())
        parent["properties"][value.path[-1]] = {"description": value.meaning, **_schema_of(value)}
    # Where this chart is part of another one, Helm hands down what is common to all.
    root["properties"]["global"] = {"type": "object"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **root}


def _closed(description: str = "") -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {**said, "type": "object", "additionalProperties": False, "properties": {}}


def _schema_of(value: Value) -> dict[str, Any]:
    match value.declared:
        case "settings":
            of_pods = (one for one in variables(Settings) if not one.secret and one.name not in OF_THE_CHART)
            return {**_closed(), "properties": {one.name: _setting(one) for one in of_pods}}
        case "resources":
            return {**_closed(), "properties": {"requests": _QUANTITIES, "limits": _QUANTITIES}}
        case "strings":
            return {"type": "object", "additionalProperties": {"type": "string"}}
        case dict():
            return {"type": _type(value), **value.declared}
        case None:
            return {"type": _type(value)}
    raise ValueError(f"{value.name}: no part of schemas is named {value.declared!r}")


def _type(value: Value) -> str:
    types = {bool: "boolean", int: "integer", str: "string", list: "array"}
    if type(value.default) not in types:
        raise ValueError(f"{value.name}: what may be in it has to be said with `# schema:`")
    return types[type(value.default)]


def _setting(variable: Variable) -> dict[str, Any]:
    """A setting as YAML gives it; what the service takes and what passes here are the same."""
    said = {"description": variable.declared.meaning}
    if variable.kind is bool:
        return {**said, "type": "boolean"}
    if get_origin(variable.kind) is Literal:
        return {**said, "enum": list(get_args(variable.kind))}
    if variable.declared.between is not None:
        least, most = variable.declared.between
        kind = "integer" if variable.kind is int else "number"
        return {**said, "type": kind, "minimum": least, "maximum": most}
    if variable.kind is Rate:
        return {**said, "type": "string", "pattern": _RATE}
    if not variable.declared.pattern:
        return {**said, "type": "string", "minLength": 1}
    one = f"(?:{variable.declared.pattern})"
    many = f"{one}( *, *{one})*" if get_origin(variable.kind) is tuple else one
    return {**said, "type": "string", "pattern": f"^{many}$"}


def table() -> str:
    """The values as a table of Markdown."""
    rows = [
        f"| `{value.name}` | {_shown(value.default)} | {value.meaning} |\n"
        for value in values((CHART / "values.yaml").read_text())
    ]
    return "| value | default | meaning |\n|---|---|---|\n" + "".join(rows)


def _shown(default: Any) -> str:
    if default == "":
        return "-"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def readme(text: str) -> str:
    """The README with its table renewed."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def made() -> dict[Path, str]:
    """What each file that is made here should hold."""
    page = CHART / "README.md"
    return {
        CHART / "values.schema.json": json.dumps(schema(), indent=1, ensure_ascii=False) + "\n",
        page: readme(page.read_text()),
    }


def main() -> int:
    """Write the files."""
    for file, text in made().items():
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
