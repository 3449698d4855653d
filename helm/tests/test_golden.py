"""What is installed is what golden/ says: a change of the chart shows there what it does to each environment."""

from __future__ import annotations

from golden import FOLDER, lines_of, made
from rendering import COMBINATIONS, of


def test_golden_is_current() -> None:
    committed = {file.stem: file.read_text() for file in FOLDER.iterdir()}
    assert committed == made(), "`make docs` writes helm/tests/golden anew; commit what it changed"


def test_a_change_shows() -> None:
    those = of(COMBINATIONS[0])
    before = lines_of(those)
    (other,) = ({**one, "data": {**one["data"], "CHAT_PORT": "1"}} for one in those if one["kind"] == "ConfigMap")
    after = lines_of([other if one["kind"] == "ConfigMap" else one for one in those])
    assert {*after} - {*before} == {'ConfigMap/chat data.CHAT_PORT = "1"'}
