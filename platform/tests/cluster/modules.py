"""The Go modules that tools/ pins, unpacked: manifests of releases come from the modules of their programs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

TOOLS = Path(__file__).parent / "tools"
ROOT = Path(__file__).parents[3]
FETCHED_S = 180


def unpacked(tool: str, module: str) -> Path:
    """Where a module is, of the version that the go.mod of a tool pins."""
    environment = {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(
        command, cwd=TOOLS / tool, env=environment, capture_output=True, check=True, timeout=FETCHED_S
    )
    return Path(json.loads(done.stdout)["Dir"])
