"""Every YAML document of the platform, with where it stands; a key that is there twice is an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
PLATFORM = REPOSITORY / "platform"
CLOUDS = ("aws", "gcp", "azure")
ENVIRONMENTS = ("dev", "staging", "prod")


class _Strict(yaml.CSafeLoader):
    """Refuses a mapping with a key that is there twice, of which YAML would quietly take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See PyYAML."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1 and key != "<<"]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


@dataclass(frozen=True)
class Document:
    """One document of a file: `number` counts from 1; `path` is below `root`."""

    root: Path
    path: Path
    number: int
    content: Any

    @property
    def is_object(self) -> bool:
        """Whether it is a Kubernetes object, rather than values, a list of ours or a file of Kustomize."""
        return (
            isinstance(self.content, dict)
            and "kind" in self.content
            and not str(self.content.get("apiVersion", "kustomize")).startswith("kustomize")
        )

    def __str__(self) -> str:
        return f"{self.path.relative_to(self.root)}#{self.number}"


@cache
def documents(root: Path = PLATFORM) -> tuple[Document, ...]:
    """The documents of all YAML files below `root`, tests and empty documents left out. Raises YAMLError."""
    return tuple(_documents(root))


def _documents(root: Path) -> Iterator[Document]:
    for path in sorted((*root.rglob("*.yaml"), *root.rglob("*.yml"))):
        if "tests" in path.relative_to(root).parts:
            continue
        for number, content in enumerate(yaml.load_all(path.read_text(), _Strict), start=1):
            if content is not None:
                yield Document(root, path, number, content)


def objects(root: Path = PLATFORM) -> tuple[Document, ...]:
    """Those of them that are Kubernetes objects."""
    return tuple(one for one in documents(root) if one.is_object)
