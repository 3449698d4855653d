"""Fixtures of the stack's tests: one stack for all of them, on a real Docker Engine, from a clean clone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_stack import BUILD_S, IMAGE, Stack, cloned
from docker_engine import NoEngineError, docker_engine

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parents[1]
# The people and clients of the tests of single processes, who talk to a stack in the same way.
sys.path.append(str(TESTS / "process"))


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that reaches a Docker Engine which has the images that compose.yaml names."""
    try:
        with docker_engine(tmp_path_factory.mktemp("docker")) as environment:
            images = TESTS / "servers" / "images" / "make"
            subprocess.run([str(images)], env=environment, check=True, timeout=BUILD_S)
            yield environment
    except NoEngineError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def stack(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that came up by one command, with nothing set but its ports and how many may register."""
    made = Stack(cloned(ROOT, tmp_path_factory.mktemp("clone") / "chat"), engine)
    (made.folder / "chat.env").write_text("CHAT_REGISTER_ATTEMPTS=1000/1h\n")
    try:
        # One of an earlier run would be taken as it is.
        made.run("docker", "image", "rm", "--force", IMAGE)
        try:
            made.run("docker", "compose", "up", "--detach", within_s=BUILD_S)
        except AssertionError:
            print(made.compose("ps", "--all"), made.compose("logs", "--tail", "20"))
            raise
        yield made
    finally:
        made.down()
