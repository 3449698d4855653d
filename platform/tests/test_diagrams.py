"""The pictures of the platform are of the sources beside them: `make diagrams` draws them, and nobody else."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from manifests import REPOSITORY

FOLDER = REPOSITORY / "docs" / "architecture" / "platform"
SOURCES = sorted(FOLDER.glob("*.dot"))


def is_drawn_from(picture: Path, source: Path) -> bool:
    """Whether a picture says that it was drawn from a source as it is now."""
    said = re.findall(r"^<!-- drawn from (\S+) sha256:([0-9a-f]{64}) -->$", picture.read_text(), re.MULTILINE)
    return said == [(source.name, sha256(source.read_bytes()).hexdigest())]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_picture_is_of_its_source(source: Path) -> None:
    assert is_drawn_from(source.with_suffix(".svg"), source), "make diagrams"


def test_the_page_shows_every_picture() -> None:
    shown = re.findall(r"^!\[.{20,}\]\((\S+)\)$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(shown) == [source.with_suffix(".svg").name for source in SOURCES]
    assert len(shown) == len({*FOLDER.glob("*.svg")})


def test_a_source_that_was_changed_since_is_caught(tmp_path: Path) -> None:
    source = tmp_path / SOURCES[0].name
    source.write_text(SOURCES[0].read_text() + "\n")
    assert not is_drawn_from(SOURCES[0].with_suffix(".svg"), source)
