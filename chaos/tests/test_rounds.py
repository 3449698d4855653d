"""A short set of rounds: sound builds keep every promise under faults, and builds with a flaw are caught."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import uvloop

from chaos.clients.crowd import Size
from chaos.launchers.broken import FLAWS
from chaos.machine import allow_many_files
from chaos.results import summary
from chaos.rounds import ROUNDS
from chaos.run import Scale, run
from chaos.servers.mongodb import FERRETDB
from chaos.servers.node import NodePlan

if TYPE_CHECKING:
    from chaos.results import Result
    from chaos.rounds import Round

# What a verdict depends on the speed of the machine for is not asserted here: the full report has it.
TIMED = {"never lies", "presence", "bounded memory"}
SMALL = Scale(Size(clients=24, people=6, rooms=3, rate=60), before_s=1.5, after_s=2.0, alone=True)
SMALL_SHARED = replace(SMALL, size=replace(SMALL.size, clients=12, rate=5), alone=False)


@pytest.fixture
def seed() -> int:
    """What chance is made of; it is printed where a test fails, and CHAT_TEST_SEED repeats it."""
    chosen = int(os.environ.get("CHAT_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"CHAT_TEST_SEED={chosen}")
    return chosen


@pytest.fixture
def shared_servers() -> None:
    """Skip the test, or in CI fail it, where Redis or a MongoDB-protocol server is missing."""
    here = {
        "redis-server": shutil.which("redis-server"),
        "a MongoDB-protocol server": os.environ.get("CHAT_TEST_MONGODB_URI")
        or shutil.which("mongod")
        or FERRETDB.exists(),
    }
    for tool, found in here.items():
        if not found and os.environ.get("CI") == "true":
            pytest.fail(f"{tool} is missing, and in CI nothing is skipped", pytrace=False)
        if not found:
            pytest.skip(f"{tool} is missing")


def experiment(name: str, flaw: str = "") -> Round:
    """A round, on a build with a flaw where one is named."""
    found = next(one for one in ROUNDS if one.name == name)
    if not flaw:
        return found
    return replace(
        found, shape=replace(found.shape, plans={0: NodePlan(launcher=("chaos.launchers.broken", flaw))})
    )


def play(one: Round, seed: int, scale: Scale) -> Result:
    """Run a round to its end."""
    allow_many_files()
    result = uvloop.run(run(one, seed, scale))
    print(summary(result))
    assert not result.trouble, result.trouble
    assert result.acked > 20
    return result


def broken(result: Result) -> set[str]:
    """The checks that found something."""
    return {found.check for found in result.found if found.count}


@pytest.mark.parametrize("name", ["node-kill", "clients-flapping", "removal", "restore"])
def test_one_node_keeps_its_promises(name: str, seed: int) -> None:
    assert broken(play(experiment(name), seed, SMALL)) <= TIMED


@pytest.mark.parametrize("name", ["redis-kill"])
@pytest.mark.usefixtures("shared_servers")
def test_three_nodes_keep_their_promises(name: str, seed: int) -> None:
    assert broken(play(experiment(name), seed, SMALL_SHARED)) <= TIMED


def test_a_bus_that_loses_is_no_flaw(seed: int) -> None:
    assert broken(play(experiment("calm", "lossy-bus"), seed, SMALL)) <= TIMED


@pytest.mark.parametrize(
    ("flaw", "name", "caught_by"),
    [
        ("ack-before-store", "node-kill", "no lost acknowledgement"),
        ("no-gap-repair", "client-cut", "liveness"),
        ("no-key-check", "client-cut", "no duplicate"),
        ("no-epoch", "restore", "delivered whole"),
    ],
)
def test_a_flaw_is_caught(flaw: str, name: str, caught_by: str, seed: int) -> None:
    assert caught_by in broken(play(experiment(name, flaw), seed, replace(SMALL, patience_s=8.0)))


def test_every_flaw_is_tried() -> None:
    assert set(FLAWS) == {"ack-before-store", "no-gap-repair", "no-key-check", "no-epoch", "lossy-bus"}
