"""The stack of compose.yaml as its user has it: a clean clone, its commands, its containers."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

IMAGE = "localhost/chat-service:0.1.0"
BUILD_S = 1200.0
UP_S = 600.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """A stack with a project name and ports of its own. `environment` reaches the Docker Engine."""

    folder: Path
    environment: dict[str, str]
    project: str = "chat-stack-test"
    port: int = field(default_factory=_free_port)
    tls_port: int = field(default_factory=_free_port)

    def __post_init__(self) -> None:
        """Say where it is to be reached, as its user may."""
        self.environment = {
            **self.environment,
            "COMPOSE_PROJECT_NAME": self.project,
            "HTTP_PORT": str(self.port),
            "HTTPS_PORT": str(self.tls_port),
        }

    @property
    def url(self) -> str:
        """Where its users reach it."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *command: str, within_s: float = UP_S) -> str:
        """Run a command in its folder and return its output; where it fails, fail with all that it said."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-4000:]}{done.stderr[-8000:]}"
        return done.stdout

    async def do(self, *command: str, within_s: float = UP_S) -> str:
        """`run`, while clients go on."""
        return await asyncio.to_thread(self.run, *command, within_s=within_s)

    def compose(self, *arguments: str) -> str:
        """Run `docker compose`."""
        return self.run("docker", "compose", *arguments)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's running containers, oldest number first."""
        listed = self.compose("ps", "--format", "json", service).splitlines()
        found = [json.loads(line) for line in listed if line]
        return [one["ID"] for one in sorted(found, key=lambda one: str(one["Name"]))]

    def inspect(self, name: str) -> dict[str, Any]:
        """What Docker knows of a container or an image."""
        found: dict[str, Any] = json.loads(self.run("docker", "inspect", name))[0]
        return found

    def address(self, container: str) -> str:
        """Where a container is reached from this host, HAProxy left aside."""
        networks = self.inspect(container)["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_front"]["IPAddress"])

    def volume(self, name: str, path: str) -> str:
        """What a file of one of its volumes holds."""
        mount = f"{self.project}_{name}:/volume:ro"
        command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "cat", "--volume", mount]
        return self.run(*command, "docker.io/library/redis:8.2", f"/volume/{path}")

    def down(self) -> None:
        """End it and throw its data away."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans")

    async def connections(self, container: str) -> float:
        """How many clients a node has."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{self.address(container)}:9464/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("chat_connections"))


def cloned(source: Path, into: Path) -> Path:
    """A clean clone of what is committed."""
    command: Sequence[str] = ["git", "-c", f"safe.directory={source}", "clone", "--quiet", "--no-hardlinks"]
    subprocess.run([*command, str(source), str(into)], check=True)
    return into
