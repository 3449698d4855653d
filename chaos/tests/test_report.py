"""A report says how many rounds kept each promise, names those that did not, and has a plot of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from msgspec.structs import replace

from chaos import plot, report, results
from chaos.rounds import ROUNDS
from chaos.tests import sound

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.results import Result


def _result(*, broken: bool = False) -> Result:
    history, ending = sound.round_()
    if broken:
        ending.never_back.append("bob's")
    return results.result_of("node-kill", 7, "3 nodes", 30.0, history, ending)


def test_results_are_kept_and_read_again(tmp_path: Path) -> None:
    kept = [_result(), _result(broken=True)]
    results.write(tmp_path / "some" / "results.json", kept)
    assert results.read(tmp_path / "some" / "results.json") == kept
    assert results.read(tmp_path / "nothing.json") == []


def test_a_round_that_is_run_again_takes_the_place_of_its_old_result() -> None:
    others = [replace(_result(), seed=8), replace(_result(), world="1 node"), replace(_result(), round="calm")]
    assert results.replaced([_result(broken=True), *others], _result()) == [*others, _result()]


def test_a_broken_promise_is_not_overlooked(tmp_path: Path) -> None:
    page = tmp_path / "chaos.md"
    report.write(page, [_result(), _result(broken=True)], ROUNDS)
    told = page.read_text()
    assert "liveness: everybody came back and can write | **broken 1 times in 1 of 2 rounds**" in told
    assert "no duplicate: a repeated key is stored once | kept in 2 rounds" in told
    assert "1 clients that never came back" in told
    assert "BROKEN: node-kill --seed 7" in told
    for link in re.findall(r"\]\((chaos/[^)]+)\)", told):
        assert (tmp_path / link).exists()


def test_the_commands_of_all_runs_are_told(tmp_path: Path) -> None:
    runs = ["make chaos", 'make chaos ARGS="--again"', 'make chaos ARGS="--again"']
    page = tmp_path / "chaos.md"
    report.write(page, [replace(_result(), command=run) for run in runs], ROUNDS)
    assert 'Written by `make chaos`, then `make chaos ARGS="--again"`; by hand' in page.read_text()


def test_a_round_that_could_not_be_run_keeps_nothing(tmp_path: Path) -> None:
    history, ending = sound.round_()
    troubled = results.result_of("calm", 7, "3 nodes", 30.0, history, ending, "redis-server is missing")
    assert not troubled.kept
    report.write(tmp_path / "chaos.md", [troubled], ROUNDS)
    told = (tmp_path / "chaos.md").read_text()
    assert "1 rounds could not be run to their end" in told
    assert "kept in" not in told


def test_a_plot_is_whole_and_shows_the_fault() -> None:
    drawn = ET.fromstring(plot.svg(_result()))
    marked = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert marked == ["kill -9 node-1"]
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))) == 2
