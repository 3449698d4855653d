"""A tool that is missing is skipped loudly on a laptop and fails in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[3] / "conftest.py"
TEST = """
def test_with_a_tool(require):
    assert require("{tool}")
"""


def run(folder: Path, tool: str, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder)
    (folder / "test_tool.py").write_text(TEST.format(tool=tool))
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            folder,
        ],
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_tool_that_is_there_is_used(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, "git", "true").stdout


@pytest.mark.parametrize(
    ("ci", "code", "outcome"), [("", 0, "1 skipped"), ("true", 1, "in CI nothing is skipped")]
)
def test_a_missing_tool(tmp_path: Path, ci: str, code: int, outcome: str) -> None:
    done = run(tmp_path, "no-such-tool", ci)
    assert done.returncode == code
    assert outcome in done.stdout
    assert "NOT TESTED HERE: whatever needs no-such-tool" in done.stdout
