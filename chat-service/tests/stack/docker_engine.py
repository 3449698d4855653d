"""A Docker Engine for the tests of the stack: the machine's, or one that is started for them and stopped after."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / ".cache" / "tools" / "docker-compose"
FOLDER = Path("/var/tmp/chat-docker")
"""Its images are kept from one run to the next."""
START_S = 60.0


class NoEngineError(Exception):
    """There is no Docker here, and none can be started."""


@contextmanager
def docker_engine(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `docker` reaches an engine and has its `compose`. Raises NoEngineError.

    The client's own settings are left alone: it is given others, in `folder`.
    """
    if shutil.which("docker") is None:
        raise NoEngineError("there is no docker")
    environment = dict(os.environ)
    if PLUGIN.exists():
        plugins = folder / "cli-plugins"
        plugins.mkdir()
        (plugins / "docker-compose").symlink_to(PLUGIN)
        environment["DOCKER_CONFIG"] = str(folder)
    if _answers(environment):
        yield environment
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        raise NoEngineError("no engine answers, and only root can start dockerd")
    with _started() as address:
        yield {**environment, "DOCKER_HOST": address}


@contextmanager
def _started() -> Iterator[str]:
    """An engine apart from any other of this machine; only its images stay."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    address = f"unix://{FOLDER}/docker.sock"
    command = ["dockerd", "--host", address, "--pidfile", str(FOLDER / "pid")]
    command += ["--data-root", str(FOLDER / "data"), "--exec-root", str(FOLDER / "exec")]
    with (FOLDER / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until = time.monotonic() + START_S
            while not _answers({**os.environ, "DOCKER_HOST": address}):
                if process.poll() is not None or time.monotonic() > until:
                    raise NoEngineError(f"dockerd does not start: {(FOLDER / 'log').read_text()[-2000:]}")
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def _answers(environment: dict[str, str]) -> bool:
    return subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False).returncode == 0
